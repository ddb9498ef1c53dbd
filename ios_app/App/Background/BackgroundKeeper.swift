/// Time that iOS lends an app that is not on the screen.
@MainActor
protocol BackgroundTime: AnyObject {
    /// The seconds that an app gets when it leaves the screen; nil where iOS gives none.
    func grace() -> (any BackgroundWork)?

    /// Asks for minutes later, when the phone has little else to do. iOS brings them by ``BackgroundKeeper/begin(_:)``.
    func requestProcessing()
    func cancelProcessing()

    /// Asks to go on behind other apps with what a person has just begun, `name`, with iOS's own display of progress.
    /// iOS brings that time by ``BackgroundKeeper/begin(_:)`` too. Does nothing before iOS 26.
    func requestContinued(_ name: String)
}

/// A piece of lent time.
@MainActor
protocol BackgroundWork: AnyObject {
    /// Called when iOS takes the time back; seconds are left for a checkpoint.
    var onExpiration: (() -> Void)? { get set }

    /// How far the work is, 0 to 1, where iOS shows it.
    func show(fraction: Double)

    /// Gives the time back, once.
    func complete(success: Bool)
}

/// Tells the worker when it may compute. It decides who goes on; iOS's part of it is behind ``BackgroundTime``.
///
/// On the screen: always. Behind another app: first the seconds of grace, or, from iOS 26, for as long as the person
/// lets the task go on that they began. After that in the minutes that iOS lends now and then, until nothing is
/// unfinished. Every end of lent time comes after a checkpoint.
@MainActor
final class BackgroundKeeper {
    private let worker: TrainingWorker
    private let time: any BackgroundTime
    private let ready: () async -> Void
    private var lent: [ObjectIdentifier: any BackgroundWork] = [:]
    private var grace: (any BackgroundWork)?
    private var isOnScreen = false

    /// - Parameter ready: returns when it is known what waits
    init(worker: TrainingWorker, time: any BackgroundTime, ready: @escaping () async -> Void) {
        self.worker = worker
        self.time = time
        self.ready = ready
    }

    /// The person is here: what waits goes on.
    func enterScreen() async {
        isOnScreen = true
        worker.attach(.screen)
        if let grace { takeBack(grace) }
        await ready()
        if isOnScreen { worker.resumePending() }
    }

    /// Does nothing where the app was not on the screen.
    func leaveScreen() {
        guard isOnScreen else { return }
        isOnScreen = false
        if worker.isWorking, let grace = time.grace() {
            self.grace = grace
            begin(grace)
        }
        if worker.isWorking || worker.hasPending { time.requestProcessing() }
        worker.detach(.screen)
    }

    /// A person has just asked to teach `subject`; the app is on the screen.
    func taught(_ subject: Subject) {
        time.requestContinued(subject.name)
    }

    /// iOS lends time: it is used until nothing is unfinished, or iOS takes it back.
    func begin(_ work: any BackgroundWork) {
        lent[ObjectIdentifier(work)] = work
        worker.attach(.background)
        work.onExpiration = { [weak self, weak work] in
            if let work { self?.takeBack(work) }
        }
        Task { await use(work) }
    }

    private func use(_ work: any BackgroundWork) async {
        await ready()
        if isLent(work) { worker.resumePending() }
        let telling = Task { await tell(work) }
        await worker.finished()
        telling.cancel()
        guard isLent(work) else { return }
        if worker.hasPending { time.requestProcessing() } else { time.cancelProcessing() }
        release(work)
        work.complete(success: !worker.hasPending)
    }

    /// Where nothing else lets the worker compute, the time is given back after its checkpoint.
    private func takeBack(_ work: any BackgroundWork) {
        guard isLent(work) else { return }
        release(work)
        if worker.hasPending { time.requestProcessing() }
        Task {
            if !isOnScreen && lent.isEmpty { await worker.finished() }
            work.complete(success: false)
        }
    }

    private func isLent(_ work: any BackgroundWork) -> Bool {
        lent[ObjectIdentifier(work)] != nil
    }

    private func release(_ work: any BackgroundWork) {
        lent[ObjectIdentifier(work)] = nil
        if grace === work { grace = nil }
        if lent.isEmpty { worker.detach(.background) }
    }

    private func tell(_ work: any BackgroundWork) async {
        while !Task.isCancelled {
            work.show(fraction: worker.state.fraction)
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
