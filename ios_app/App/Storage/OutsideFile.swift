import Foundation

/// A file of another app or of a cloud's folder, which a person chose.
struct OutsideFile: Sendable {
    let url: URL

    /// As it is shown outside; anyone's text.
    var name: String { url.lastPathComponent }

    /// Gives the open file to `use`. Blocks, also until a cloud's file has come. Throws ``StorageError``.
    func read(_ use: (FileHandle) throws -> Void) throws {
        #if canImport(Darwin)
        let isScoped = url.startAccessingSecurityScopedResource()
        defer { if isScoped { url.stopAccessingSecurityScopedResource() } }
        var failure: NSError?
        var outcome: Result<Void, any Error>?
        NSFileCoordinator().coordinate(readingItemAt: url, error: &failure) { local in
            outcome = Result { try Self.read(local, use) }
        }
        guard let outcome else {
            throw StorageError.failed(failure?.localizedDescription ?? "The file cannot be opened.")
        }
        try outcome.get()
        #else
        try Self.read(url, use)
        #endif
    }

    /// A pipe or a device would have no end.
    private static func read(_ file: URL, _ use: (FileHandle) throws -> Void) throws {
        let type = (try? FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path))?[.type]
        guard type as? FileAttributeType == .typeRegular, let handle = try? FileHandle(forReadingFrom: file) else {
            throw StorageError.failed("The file cannot be opened; choose it again.")
        }
        defer { try? handle.close() }
        try use(handle)
    }
}
