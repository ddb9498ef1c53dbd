import Foundation

/// Deletes files and folders so that a kill on the way leaves nothing that looks whole: first out of sight in one step,
/// then for good. What a kill left in the trash goes at the next ``empty()``. Functions block.
final class Trash: Sendable {
    private let layout: StorageLayout
    private let disk: Disk
    private let turn = Locked(())

    init(layout: StorageLayout, disk: Disk) {
        self.layout = layout
        self.disk = disk
    }

    /// Deletes files and folders with everything in them. Those that are missing are deleted already.
    func delete(_ paths: URL...) throws {
        try delete(paths)
    }

    func delete(_ paths: [URL]) throws {
        try turn.withLock { _ in
            for path in paths where exists(path) { try putOutOfSight(path) }
            try emptyNow()
        }
    }

    /// Throws ``StorageError`` where something cannot be deleted. The folder stays: a full disk may not give it back.
    func empty() throws {
        try turn.withLock { _ in try emptyNow() }
    }

    private func emptyNow() throws {
        let left = contents(of: layout.trash).filter { !remove($0) }
        guard left.isEmpty else {
            throw StorageError.failed(
                "Some deleted files could not be removed; they are removed when the app starts again.")
        }
    }

    /// Where the storage has no room even for that, it is deleted where it lies.
    private func putOutOfSight(_ path: URL) throws {
        do {
            try disk.makeFolder(layout.trash)
            try disk.rename(path, to: layout.trash.appending(path: ItemID().text))
        } catch {
            guard remove(path) else { throw error }
        }
    }

    private func remove(_ path: URL) -> Bool {
        try? FileManager.default.removeItem(at: path)
        return !exists(path)
    }
}

/// Whether a file or a folder is there; blocks.
func exists(_ path: URL) -> Bool {
    FileManager.default.fileExists(atPath: path.path)
}

/// What lies in `folder`, by name; nothing where there is no such folder. Blocks.
func contents(of folder: URL) -> [URL] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.sorted().map { folder.appending(path: $0) }
}
