#if canImport(SwiftUI)
import Foundation

/// What the screen of settings says.
extension Words {
    static var settingsTitle: String { String(localized: "settings.title") }
    static var keepOutOfBackups: String { String(localized: "settings.backups") }
    static var keepOutOfBackupsDetail: String { String(localized: "settings.backups.detail") }
    static var modelName: String { String(localized: "settings.model.name") }
    static var pictureSize: String { String(localized: "settings.model.size") }
    static var deleteEverything: String { String(localized: "settings.delete") }
    static var deleteEverythingTitle: String { String(localized: "settings.delete.title") }
    static var deleteEverythingDetail: String { String(localized: "settings.delete.detail") }
    static func known(subjects: Int, pictures: Int) -> String {
        String(localized: "settings.known \(subjects) \(pictures)")
    }

}
#endif
