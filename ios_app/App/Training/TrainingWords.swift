#if canImport(SwiftUI)
import Foundation

/// What the screen of a subject that learns says, and iOS in its stead.
extension Words {
    static func learning(_ name: String) -> String { String(localized: "training.title \(name)") }
    static var keepsLearning: String { String(localized: "training.continued") }
    static var noPreview: String { String(localized: "training.preview.none") }
    static func preview(_ name: String) -> String { String(localized: "training.preview \(name)") }
    private static var stageIdle: String { String(localized: "stage.idle") }
    private static var stageEncoding: String { String(localized: "stage.encoding") }
    private static var stageTraining: String { String(localized: "stage.training") }
    private static var stageStopping: String { String(localized: "stage.stopping") }
    private static var stageSuspended: String { String(localized: "stage.suspended") }
    private static func stageDone(_ name: String) -> String { String(localized: "stage.done \(name)") }
    private static var stageFailed: String { String(localized: "stage.failed") }
    static func steps(_ step: Int, of steps: Int) -> String { String(localized: "training.steps \(step) \(steps)") }
    static func steps(_ step: Int, of steps: Int, left: String) -> String {
        String(localized: "training.steps.left \(step) \(steps) \(left)")
    }
    private static var causePerson: String { String(localized: "cause.person") }
    private static var causePainting: String { String(localized: "cause.painting") }
    private static var causeHot: String { String(localized: "cause.hot") }
    private static var causeLowPowerMode: String { String(localized: "cause.low_power_mode") }
    private static var causeBatteryLow: String { String(localized: "cause.battery_low") }
    private static var causeMemoryLow: String { String(localized: "cause.memory_low") }
    private static var causeSystem: String { String(localized: "cause.system") }
    static var pause: String { String(localized: "training.pause") }
    static var goOn: String { String(localized: "training.go_on") }
    static var keepSoFar: String { String(localized: "training.keep") }
    static var discardLearned: String { String(localized: "training.discard") }
    static var discardLearnedTitle: String { String(localized: "training.discard.title") }
    static var discardLearnedDetail: String { String(localized: "training.discard.detail") }
    static var paintIt: String { String(localized: "training.paint") }

    static func stage(_ stage: Stage, _ name: String) -> String {
        switch stage {
        case .idle: stageIdle
        case .opening: modelOpening
        case .encoding: stageEncoding
        case .training: stageTraining
        case .stopping: stageStopping
        case .suspended: stageSuspended
        case .done: stageDone(name)
        case .failed: stageFailed
        }
    }

    static func text(_ cause: Cause) -> String {
        switch cause {
        case .person: causePerson
        case .painting: causePainting
        case .hot: causeHot
        case .lowPowerMode: causeLowPowerMode
        case .batteryLow: causeBatteryLow
        case .memoryLow: causeMemoryLow
        case .system: causeSystem
        }
    }
}
#endif
