import Likeness
import Observation

/// What lets the process compute.
enum Keeper: Hashable, Sendable {
    /// The app is on the screen.
    case screen
    /// iOS lends it time behind another app, or behind a locked screen.
    case background
}

/// Teaches subjects, one after the other; the one long-lived object of the process. It does not know iOS: what lends
/// it time tells it so.
///
/// What it does is on the disk at any instant, so after a kill ``resumePending()`` goes on. Functions return at once.
@MainActor @Observable
final class TrainingWorker {
    private enum Stop: Equatable {
        case suspend(Cause)
        case keepSoFar
        case discard
    }

    private(set) var state = TrainingState()
    /// Something is taught, or about to be.
    private(set) var isWorking = false
    /// Hears of runs that ended, as they end.
    @ObservationIgnored var onOutcome: ((Outcome) -> Void)?

    @ObservationIgnored private let studios: StudioProvider
    @ObservationIgnored private let subjects: SubjectStore
    @ObservationIgnored private let disk: Disk
    @ObservationIgnored private let measurements: Measurements
    @ObservationIgnored private let monitor: ConditionsMonitor
    @ObservationIgnored private let ready: () async -> Void
    @ObservationIgnored private let pace: PaceKeeper
    @ObservationIgnored private let clock = ContinuousClock()
    @ObservationIgnored private let zero = ContinuousClock.now
    @ObservationIgnored private var keepers: Set<Keeper> = []
    @ObservationIgnored private var session: (any Personalization)?
    @ObservationIgnored private var meter = RunMeter(startedAt: .zero)
    @ObservationIgnored private var stop: Stop?
    @ObservationIgnored private var released: Set<ItemID> = []
    /// Subjects that are being deleted, or will be when they are no longer taught.
    @ObservationIgnored private var discarded: Set<ItemID> = []
    /// The subject whose files are in use.
    @ObservationIgnored private var taught: ItemID?
    @ObservationIgnored private var wanted = false
    @ObservationIgnored private var working: Task<Void, Never>?

    /// - Parameter ready: returns when `subjects` knows what is on the disk
    init(
        studios: StudioProvider, subjects: SubjectStore, disk: Disk, measurements: Measurements,
        monitor: ConditionsMonitor, pacing: Pacing = Pacing(), ready: @escaping () async -> Void
    ) {
        self.studios = studios
        self.subjects = subjects
        self.disk = disk
        self.measurements = measurements
        self.monitor = monitor
        self.ready = ready
        pace = PaceKeeper(pacing)
    }

    /// A person wants `id` to be taught, or taught on: now, or after the one that is being taught.
    func start(_ id: ItemID) {
        if isRunning(id) {
            pace.isHeld = false
            return
        }
        released.insert(id)
        resumePending()
    }

    /// Goes on with what an earlier process or keeper left unfinished, if anything.
    func resumePending() {
        // A run that is going needs no second look: it would go on with what its last keeper's going had it suspend.
        if !isWorking || stop != nil || !released.isEmpty { wanted = true }
        guard !isWorking else { return }
        isWorking = true
        working = Task { await workOff() }
    }

    /// Returns when nothing is taught any more.
    func finished() async {
        while isWorking { await working?.value }
    }

    /// A subject waits to be taught on, without a person's help.
    var hasPending: Bool { nextPending != nil }

    /// By the person: waits. What it learned so far is safe.
    func pause() {
        pace.isHeld = true
    }

    /// Ends here; what was learned so far becomes the adapter. Only while training is there anything to keep.
    func keepSoFar() {
        if state.stage == .training { end(.keepSoFar) }
    }

    /// Ends, and deletes all traces of, the subject `id`. A failure is in ``state``.
    func discard(_ id: ItemID) {
        discarded.insert(id)
        if taught == id {
            end(.discard)
        } else {
            Task { await delete(id) }
        }
    }

    /// While `keeper` is there the process may compute.
    func attach(_ keeper: Keeper) {
        keepers.insert(keeper)
    }

    /// The last keeper to go ends the work after a checkpoint.
    func detach(_ keeper: Keeper) {
        guard keepers.remove(keeper) != nil, keepers.isEmpty else { return }
        wanted = false
        if taught != nil { end(.suspend(.system)) }
    }

    /// As ``PaceKeeper/whilePainting(_:)``.
    func whilePainting<Value>(_ body: @MainActor () async throws -> Value) async rethrows -> Value {
        try await pace.whilePainting(body)
    }

    private func isRunning(_ id: ItemID) -> Bool {
        isWorking && state.subjectID == id && taught == id && stop == nil
    }

    private func end(_ how: Stop) {
        if stop != .discard { stop = how }
        state.stage = .stopping
        try? session?.cancel()
    }

    private func workOff() async {
        await ready()
        while wanted {
            wanted = false
            await releaseAsked()
            guard let subject = nextPending else { continue }
            if await teach(subject) { wanted = true }
        }
        isWorking = false
    }

    /// What stood in the way of subjects that a person wants to go on does so no longer.
    private func releaseAsked() async {
        let asked = released
        released = []
        for id in asked {
            guard let subject = subjects.find(id), subject.state == .learning else { continue }
            do {
                try await subjects.note(subject.resume.released, of: id)
            } catch {
                state = TrainingState(subjectID: id, stage: .failed, problem: Problem(error))
            }
        }
    }

    private var nextPending: Subject? {
        subjects.subjects
            .filter { $0.state == .learning && $0.resume.goesOnByItself && !discarded.contains($0.id) }
            .min { $0.createdAt < $1.createdAt }
    }

    /// Returns whether the next subject may follow.
    private func teach(_ subject: Subject) async -> Bool {
        stop = nil
        taught = subject.id
        pace.isHeld = false
        state = TrainingState(subjectID: subject.id, stage: .opening)
        let run = TeachingRun(subject, subjects, disk)
        var mayFollow: Bool
        do {
            try await attempt(subject, run)
            mayFollow = !wasSuspended
        } catch {
            mayFollow = await fail(subject, run, error)
        }
        taught = nil
        if stop == .discard { await delete(subject.id) }
        return mayFollow
    }

    private var wasSuspended: Bool {
        if case .suspend = stop { true } else { false }
    }

    private func attempt(_ subject: Subject, _ run: TeachingRun) async throws {
        let opened = try await run.open(try await studios.get())
        defer {
            session = nil
            try? opened.close()
        }
        session = opened
        if stop != nil { try? opened.cancel() }
        let completed = try await follow(opened, run)
        if completed && wasSuspended { stop = nil }
        try await conclude(subject, run, opened, completed ? stop : stop ?? .suspend(.system))
    }

    /// Returns true where the last step was done, false where the session was cancelled.
    private func follow(_ opened: any Personalization, _ run: TeachingRun) async throws -> Bool {
        meter = RunMeter(startedAt: zero.duration(to: clock.now))
        let watching = Task { await monitor.watch() }
        monitor.onChange = { [weak self] in self?.show($0) }
        show(monitor.conditions)
        pace.begin(opened, onPace: { [weak self] in self?.show($0) }, onLongHold: { [weak self] in self?.hold($0) })
        defer {
            watching.cancel()
            monitor.onChange = nil
            pace.end()
        }
        do {
            try await opened.run().collect { event in
                try await run.keep(event)
                show(event)
            }
        } catch LikenessError.cancelled {
            await record()
            return false
        }
        await record()
        return true
    }

    private func hold(_ cause: Cause) {
        end(.suspend(cause))
    }

    /// What was measured only makes the next forecast better: storage that is full is no failure.
    private func record() async {
        let measured = meter.measured(at: zero.duration(to: clock.now))
        guard measured != Measured() else { return }
        try? await offMain { [measurements] in try measurements.record(measured) }
    }

    private func conclude(
        _ subject: Subject, _ run: TeachingRun, _ opened: any Personalization, _ how: Stop?
    ) async throws {
        switch how {
        case nil, .keepSoFar:
            try await run.finish(opened)
            settle(subject, .done)
        case .suspend(let cause):
            try await run.suspend(held: cause == .person)
            settle(subject, .suspended, cause: cause)
        case .discard: break
        }
    }

    /// Returns false where the storage does not even take a note that it failed: it would be begun again at once.
    private func fail(_ subject: Subject, _ run: TeachingRun, _ error: any Error) async -> Bool {
        if stop == .discard { return true }
        let problem = Problem(error)
        settle(subject, .failed, problem: problem)
        do {
            try await run.fail(problem.kind)
            return true
        } catch {
            return false
        }
    }

    private func delete(_ id: ItemID) async {
        defer { discarded.remove(id) }
        do {
            try await subjects.delete(id)
            if state.subjectID == id { state = TrainingState() }
        } catch {
            state = TrainingState(subjectID: id, stage: .failed, problem: Problem(error))
        }
    }

    private func settle(_ subject: Subject, _ stage: Stage, cause: Cause? = nil, problem: Problem? = nil) {
        state.stage = stage
        state.waiting = false
        state.cause = cause
        state.problem = problem
        state.secondsLeft = nil
        onOutcome?(Outcome(subjectID: subject.id, name: subject.name, stage: stage, cause: cause, problem: problem))
    }

    private func show(_ conditions: Conditions) {
        meter.onConditions(conditions)
        pace.conditions = conditions
    }

    private func show(_ now: PaceNow) {
        state.waiting = now.pace == .pause
        state.cause = now.cause
    }

    private func show(_ event: TrainEvent) {
        switch event {
        case .progress(let progress): show(progress)
        case .preview(let preview): state.preview = preview.picture
        }
    }

    private func show(_ progress: TrainEvent.Progress) {
        let isTraining = progress.phase == .training
        if isTraining {
            let now = zero.duration(to: clock.now)
            meter.onStep(progress.step, fullSpeed: state.cause == nil, at: now)
        }
        var next = state
        next.stage = stop != nil ? .stopping : isTraining ? .training : .encoding
        next.step = progress.step
        next.steps = progress.steps
        next.secondsLeft = progress.secondsLeft
        state = next
    }
}
