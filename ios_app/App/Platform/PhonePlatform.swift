#if canImport(UIKit)
import UIKit

extension Platform {
    static func phone(_ backgroundTime: any BackgroundTime) -> Platform {
        Platform(
            volume: PhoneVolume(), conditions: PhoneConditions(), backgroundTime: backgroundTime,
            photoLibrary: PhonePhotoLibrary(), backups: PhoneBackups(), freeMemoryBytes: PhoneMemory.freeBytes,
            now: { Int(1000 * Date.now.timeIntervalSince1970) })
    }
}

private struct PhoneBackups: Backups {
    func setExcluded(_ excluded: Bool, _ folder: URL) throws {
        var values = URLResourceValues()
        values.isExcludedFromBackup = excluded
        var folder = folder
        try folder.setResourceValues(values)
    }
}

extension StorageLayout {
    /// The app's own folder, made where it is missing.
    ///
    /// Its files can be read once the phone was unlocked after it was switched on, and not before: what learns goes
    /// on behind a locked screen. New files are as their folder is.
    static func phone() throws -> StorageLayout {
        let root = URL.applicationSupportDirectory.appending(path: "Likeness")
        try FileManager.default.createDirectory(
            at: root, withIntermediateDirectories: true,
            attributes: [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication])
        return StorageLayout(root: root)
    }
}
#endif
