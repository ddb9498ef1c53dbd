/// How hot the phone is; the order and the meaning are Apple's, `ProcessInfo.ThermalState`.
enum Heat: Int, Sendable, Comparable, CaseIterable {
    case nominal
    case fair
    case serious
    case critical

    static func < (one: Heat, other: Heat) -> Bool { one.rawValue < other.rawValue }
}

/// How short memory is for this app.
enum MemoryPressure: Int, Sendable, Comparable, CaseIterable {
    case none
    case low
    case critical

    static func < (one: MemoryPressure, other: MemoryPressure) -> Bool { one.rawValue < other.rawValue }
}

/// What the phone is like right now.
struct Conditions: Sendable, Equatable {
    var heat = Heat.nominal
    var lowPowerMode = false
    /// 0 to 100; nil where the phone does not say.
    var batteryPercent: Int?
    var charging = false
    var memory = MemoryPressure.none
}
