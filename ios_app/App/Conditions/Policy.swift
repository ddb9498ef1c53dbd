/// How training goes, slowest last.
enum Pace: Int, Sendable, Comparable {
    case run
    /// With rests.
    case slow
    case pause

    static func < (one: Pace, other: Pace) -> Bool { one.rawValue < other.rawValue }
}

/// Why it does not run at full speed.
enum Reason: Sendable {
    case hot
    case lowPowerMode
    case batteryLow
    case memoryLow
}

struct Decision: Sendable, Equatable {
    let pace: Pace
    let reason: Reason?
}

private let batteryStopsPercent = 10
private let batterySlowsPercent = 20

/// The pace that `conditions` allow: the slowest that any of them asks for, for the first reason that asks for it.
///
/// A charging phone spares no battery; a hot one or one short of memory rests all the same.
func decide(_ conditions: Conditions) -> Decision {
    let asked = [
        Decision(pace: pace(of: conditions.heat), reason: .hot),
        Decision(pace: pace(of: conditions.memory), reason: .memoryLow),
        Decision(pace: batteryPace(conditions), reason: .batteryLow),
        Decision(pace: lowPowerPace(conditions), reason: .lowPowerMode),
    ]
    return asked.reduce(Decision(pace: .run, reason: nil)) { $1.pace > $0.pace ? $1 : $0 }
}

private func pace(of heat: Heat) -> Pace {
    switch heat {
    case .nominal, .fair: .run
    case .serious: .slow
    case .critical: .pause
    }
}

private func pace(of memory: MemoryPressure) -> Pace {
    switch memory {
    case .none: .run
    case .low: .slow
    case .critical: .pause
    }
}

private func batteryPace(_ conditions: Conditions) -> Pace {
    guard !conditions.charging, let percent = conditions.batteryPercent else { return .run }
    if percent <= batteryStopsPercent { return .pause }
    return percent <= batterySlowsPercent ? .slow : .run
}

private func lowPowerPace(_ conditions: Conditions) -> Pace {
    conditions.lowPowerMode && !conditions.charging ? .slow : .run
}

/// Memory that the core may use where iOS leaves this app `availableBytes`: half. What the app itself takes, and
/// pictures on the screen, need the rest; iOS ends an app that takes more than all. Where a model needs more, the core
/// loads its parts in turns.
func memoryBudget(availableBytes: Int) -> Int {
    availableBytes / 2
}
