/// What a person chose once, for all of the app.
struct AppSettings: Sendable, Equatable, Codable {
    /// A backup may leave the phone: what this app knows stays out of it unless someone wants it in.
    var keepOutOfBackups = true
}

/// Keeps ``AppSettings`` and makes the phone follow them. Functions block.
struct SettingsStore: Sendable {
    let layout: StorageLayout
    let disk: Disk
    let backups: any Backups

    func read() -> AppSettings {
        (try? NoteFile.read(AppSettings.self, from: layout.settings)) ?? AppSettings()
    }

    /// Throws ``StorageError``, and what keeps the system from following. They are kept only where it follows.
    func write(_ settings: AppSettings) throws {
        try backups.setExcluded(settings.keepOutOfBackups, layout.root)
        try NoteFile.write(settings, to: layout.settings, on: disk)
    }

    /// A folder that was restored or moved may have lost what keeps it out. Throws as ``write(_:)``.
    func apply() throws {
        try disk.makeFolder(layout.root)
        try backups.setExcluded(read().keepOutOfBackups, layout.root)
    }
}
