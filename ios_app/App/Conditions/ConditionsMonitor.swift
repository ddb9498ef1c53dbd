/// Reads the phone's state, cheaply.
@MainActor
protocol ConditionsSource {
    func read() -> Conditions
}

/// Keeps ``conditions`` current while it is watched, by asking every `every`: heat and batteries change slowly.
///
/// Warnings that memory is short come in between and count for `warning`.
@MainActor
final class ConditionsMonitor {
    private(set) var conditions = Conditions()
    /// Hears of every change.
    var onChange: ((Conditions) -> Void)?

    private let source: any ConditionsSource
    private let every: Duration
    private let warning: Duration
    private let clock = ContinuousClock()
    private var warnedUntil: ContinuousClock.Instant?

    init(_ source: any ConditionsSource, every: Duration = .seconds(5), warning: Duration = .seconds(60)) {
        self.source = source
        self.every = every
        self.warning = warning
    }

    /// Asks until the task is cancelled.
    func watch() async {
        while !Task.isCancelled {
            refresh()
            try? await Task.sleep(for: every)
        }
    }

    func refresh() {
        var now = source.read()
        if let warnedUntil, clock.now < warnedUntil { now.memory = .critical }
        guard now != conditions else { return }
        conditions = now
        onChange?(now)
    }

    /// iOS says that memory is short; it gives no degrees, and ends the app next.
    func memoryWarning() {
        warnedUntil = clock.now + warning
        refresh()
    }
}
