import Foundation
import Likeness

@testable import App

/// A session of ``FakeStudio``; ``pauses`` and ``photos`` tell tests what was asked of it.
final class FakePersonalization: Personalization {
    private struct State {
        var isRunning = false
        var isEncoded: Bool
        var step: Int
        var isCancelled = false
        var isPaused = false
        var isClosed = false
        var pauses = 0
        var photos: [Picture] = []
    }

    private static let shortestSide = 32
    let resumedAt: Int
    private let studio: FakeStudio
    private let settings: TrainSettings
    private let journal: FakeJournal?
    private let state: Locked<State>

    init(_ studio: FakeStudio, _ settings: TrainSettings, _ journal: FakeJournal?, _ stored: FakeJournal.Stored?) {
        self.studio = studio
        self.settings = settings
        self.journal = journal
        resumedAt = stored?.step ?? 0
        state = Locked(State(isEncoded: stored != nil, step: resumedAt))
    }

    var isPaused: Bool { state.withLock { $0.isPaused } }
    var pauses: Int { state.withLock { $0.pauses } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var photos: [Picture] { state.withLock { $0.photos } }

    func addPhoto(_ photo: Picture) async throws {
        try state.withLock { state in
            if state.isEncoded { throw LikenessError.invalidArgument("the photos are encoded already") }
            if min(photo.width, photo.height) < Self.shortestSide {
                throw LikenessError.badPhoto("the photo is too small")
            }
            state.photos.append(photo)
        }
    }

    var plan: Plan {
        state.withLock { state in
            Plan(
                steps: settings.steps, stepsDone: state.step, photos: state.photos.count, views: settings.views,
                instanceRows: 2, priorRows: 2, memoryBytes: 1000, residentMemoryBytes: 2000, journalBytes: 3000,
                staged: false, priorClass: "cat")
        }
    }

    func run() -> EventStream<TrainEvent> {
        EventStream(isProgress: { if case .progress = $0 { true } else { false } }) { [self] emit in
            try enter()
            defer { leave() }
            if !state.withLock({ $0.isEncoded }) { try await encode(emit) }
            while state.withLock({ $0.step }) < settings.steps { try await train(emit) }
        }
    }

    func pause() {
        state.withLock { state in
            if !state.isPaused { state.pauses += 1 }
            state.isPaused = true
        }
    }

    func unpause() { state.withLock { $0.isPaused = false } }

    func cancel() { state.withLock { $0.isCancelled = true } }

    func saveAdapter(_ file: URL) async throws {
        try studio.fail(.saveAdapter)
        guard state.withLock({ $0.isEncoded }) else { throw LikenessError.invalidArgument("nothing is learned yet") }
        try FakeAdapterFile.bytes([settings.token], settings.className).write(to: file)
    }

    func close() throws {
        try state.withLock { state in
            if state.isRunning { throw LikenessError.busy("the session runs") }
            state.isClosed = true
        }
    }

    private func enter() throws {
        try state.withLock { state in
            if state.isRunning { throw LikenessError.busy("the session is running already") }
            state.isRunning = true
        }
    }

    private func leave() {
        checkpoint()
        state.withLock { state in
            state.isRunning = false
            state.isCancelled = false
        }
    }

    private func encode(_ emit: (TrainEvent) -> Void) async throws {
        if photos.isEmpty { throw LikenessError.invalidArgument("the session has no photo") }
        for view in 1...settings.views {
            try await step(isHeld: isHeld(.encoding, view - 1))
            emit(progress(.encoding, view, settings.views))
        }
        state.withLock { $0.isEncoded = true }
        checkpoint()
    }

    private func train(_ emit: (TrainEvent) -> Void) async throws {
        let next = state.withLock { $0.step } + 1
        try await step(isHeld: isHeld(.training, next - 1))
        try failWhere(next)
        state.withLock { $0.step = next }
        if next % settings.checkpointEvery == 0 { checkpoint() }
        emit(progress(.training, next, settings.steps))
        if next % settings.previewEvery == 0 { emit(.preview(.init(step: next, picture: plainPicture(next)))) }
    }

    private func failWhere(_ step: Int) throws {
        let failure = studio.now.withLock { now -> LikenessError? in
            guard let failure = now.failAtStep, failure.step == step else { return nil }
            now.failAtStep = nil
            return failure.error
        }
        if let failure { throw failure }
    }

    private func isHeld(_ phase: TrainEvent.Phase, _ step: Int) -> () -> Bool {
        { [studio] in
            guard let hold = studio.now.withLock({ $0.hold }) else { return false }
            return hold.phase == phase && hold.step == step
        }
    }

    /// Waits for as long as a step takes, or the session is paused or held.
    private func step(isHeld: () -> Bool) async throws {
        repeat {
            // As the core: what interrupts a run cancels its session.
            let isCancelled = state.withLock { $0.isCancelled } || Task.isCancelled
            if isCancelled || studio.now.withLock({ $0.isKilled }) {
                throw LikenessError.cancelled("the session was cancelled")
            }
            try? await Task.sleep(for: studio.now.withLock { $0.step })
        } while isPaused || isHeld()
    }

    private func checkpoint() {
        guard !studio.now.withLock({ $0.isKilled }) else { return }
        let (isEncoded, step) = state.withLock { ($0.isEncoded, $0.step) }
        if isEncoded { journal?.write(.init(className: settings.className, token: settings.token, step: step)) }
    }

    private func progress(_ phase: TrainEvent.Phase, _ step: Int, _ steps: Int) -> TrainEvent {
        .progress(
            .init(
                phase: phase, step: step, steps: steps, loss: 0.5, secondsElapsed: Double(step) / 10,
                secondsLeft: Double(steps - step) / 10))
    }
}
