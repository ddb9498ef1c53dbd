import Foundation

/// The model as the app carries it, and whether all of it was once checked on this phone. Functions block.
struct ModelFolder: Sendable {
    let folder: URL
    let layout: StorageLayout
    let disk: Disk

    /// Hashing all of a model takes seconds: it is done once for each version, whose manifest holds every file's hash.
    /// Throws ``StorageError`` where there is no model.
    func wasChecked() throws -> Bool {
        try manifest() == (try? Data(contentsOf: layout.checkedModel))
    }

    /// Throws ``StorageError``.
    func noteChecked() throws {
        try disk.write(layout.checkedModel, manifest())
    }

    private func manifest() throws -> Data {
        guard let manifest = try? Data(contentsOf: folder.appending(path: "manifest.json")) else {
            throw StorageError.failed("This app was built without a model; install it again.")
        }
        return manifest
    }
}
