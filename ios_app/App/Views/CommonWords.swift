#if canImport(SwiftUI)
import Foundation

/// What several screens say.
enum Words {
    static var cancel: String { String(localized: "common.cancel") }
    static var delete: String { String(localized: "common.delete") }
    static var dismiss: String { String(localized: "common.dismiss") }
    static var tryAgain: String { String(localized: "common.try_again") }
    static var model: String { String(localized: "model.title") }
    static var modelOpening: String { String(localized: "model.opening") }

    static func duration(_ seconds: Double) -> String {
        // As one would say it: seconds, minutes or hours, rounded.
        let unit: Set<Duration.UnitsFormatStyle.Unit> =
            seconds < 90 ? [.seconds] : seconds < 90 * 60 ? [.minutes] : [.hours]
        return Duration.seconds(max(1, seconds)).formatted(
            .units(allowed: unit, width: .wide, maximumUnitCount: 1, fractionalPart: .hide(rounded: .toNearestOrEven)))
    }

    static func bytes(_ bytes: Int) -> String { bytes.formatted(.byteCount(style: .memory)) }
}
#endif
