import Foundation

/// Lends files to other apps under a name for people. What is lent is a second name of the file, not a copy; it goes
/// when it was handed over, when its owner is deleted, or when the app starts again. Functions block.
struct Outgoing: Sendable {
    let layout: StorageLayout
    let disk: Disk
    let trash: Trash

    /// The file to hand over. `name` must not come from anyone but this app.
    func lend(_ file: URL, as name: String, owner: ItemID) throws -> URL {
        let folder = layout.outgoing(owner)
        try trash.delete(folder)
        try disk.makeFolder(folder)
        let lent = folder.appending(path: name)
        do {
            try FileManager.default.linkItem(at: file, to: lent)
        } catch {
            throw StorageError.failed("The file cannot be shared: \(error.localizedDescription)")
        }
        return lent
    }

    func takeBack(from owner: ItemID) throws {
        try trash.delete(layout.outgoing(owner))
    }
}
