/// Measures a run, so that the next plan's estimate is this phone's.
struct RunMeter {
    private static let fewestSteps = 5
    private static let fewestHours = 5.0 / 60

    private var steps = 0
    private var stepTime = Duration.zero
    private var last: (step: Int, at: Duration)?
    private let startedAt: Duration
    private var percentAtStart: Int?
    private var percent: Int?
    private var wasCharging = false

    /// Times are of one clock, from any zero.
    init(startedAt: Duration) {
        self.startedAt = startedAt
    }

    /// A step was reported; one that waited or rested in between tells nothing about speed.
    mutating func onStep(_ step: Int, fullSpeed: Bool, at now: Duration) {
        if fullSpeed, let last, step > last.step {
            steps += step - last.step
            stepTime += now - last.at
        }
        last = fullSpeed ? (step, now) : nil
    }

    mutating func onConditions(_ now: Conditions) {
        wasCharging = wasCharging || now.charging
        percent = now.batteryPercent
        if percentAtStart == nil { percentAtStart = percent }
    }

    /// What was measured until `now`, where it was enough to tell.
    func measured(at now: Duration) -> Measured {
        Measured(
            secondsPerStep: steps >= Self.fewestSteps ? stepTime.inSeconds / Double(steps) : nil,
            percentPerHour: percentPerHour(at: now))
    }

    private func percentPerHour(at now: Duration) -> Double? {
        let hours = (now - startedAt).inSeconds / 3600
        guard let percentAtStart, let percent, !wasCharging, hours >= Self.fewestHours else { return nil }
        let used = percentAtStart - percent
        return used < 1 ? nil : Double(used) / hours
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
