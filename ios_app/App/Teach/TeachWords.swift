#if canImport(SwiftUI)
import Foundation

/// What the screen says on which a subject is put together.
extension Words {
    static var teachTitle: String { String(localized: "teach.title") }
    static var photosHint: String { String(localized: "teach.photos.hint") }
    static var choosePhotos: String { String(localized: "teach.photos.choose") }
    static var remove: String { String(localized: "teach.photo.remove") }
    static func photo(_ place: Int) -> String { String(localized: "teach.photo.description \(place)") }
    static func removePhoto(_ place: Int) -> String { String(localized: "teach.photo.remove.description \(place)") }
    static func adding(_ place: Int, of total: Int) -> String {
        String(localized: "teach.photos.adding \(place) \(total)")
    }
    static var noPhotos: String { String(localized: "teach.photos.none") }
    static func photos(_ count: Int) -> String { String(localized: "teach.photos.count \(count)") }
    static func refused(_ count: Int) -> String { String(localized: "teach.photos.refused \(count)") }
    static var name: String { String(localized: "teach.name") }
    static var nameHint: String { String(localized: "teach.name.hint") }
    static var className: String { String(localized: "teach.class") }
    static var classHint: String { String(localized: "teach.class.hint") }
    static var knownClasses: String { String(localized: "teach.class.known") }
    static var forecastTitle: String { String(localized: "teach.forecast") }
    static var forecastMissing: String { String(localized: "teach.forecast.missing") }
    static var forecastComputing: String { String(localized: "teach.forecast.computing") }
    static func timeMeasured(_ time: String) -> String { String(localized: "forecast.time.measured \(time)") }
    static func timeTried(_ time: String) -> String { String(localized: "forecast.time.tried \(time)") }
    static func memory(_ bytes: String) -> String { String(localized: "forecast.memory \(bytes)") }
    static func memoryShort(_ bytes: String) -> String { String(localized: "forecast.memory.short \(bytes)") }
    static func storage(_ bytes: String) -> String { String(localized: "forecast.storage \(bytes)") }
    static func storageShort(_ bytes: String) -> String { String(localized: "forecast.storage.short \(bytes)") }
    private static func batteryMeasured(percent: Int) -> String { String(localized: "forecast.battery \(percent)") }
    private static var batteryUnknown: String { String(localized: "forecast.battery.unknown") }
    static var noPrior: String { String(localized: "forecast.no_prior") }
    static var privacy: String { String(localized: "teach.privacy") }
    static var start: String { String(localized: "teach.start") }
    static var discard: String { String(localized: "teach.discard") }
    static var discardTitle: String { String(localized: "teach.discard.title") }

    static func battery(percent: Double?) -> String {
        percent.map { batteryMeasured(percent: Int($0.rounded(.up))) } ?? batteryUnknown
    }
}
#endif
