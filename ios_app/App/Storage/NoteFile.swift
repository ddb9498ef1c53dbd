import Foundation

/// A small JSON file of the app's own. Functions block and throw ``StorageError``.
enum NoteFile {
    private static let mostBytes = 256 * 1024

    /// The note in `file`, which is missing, far too large to be one, or damaged where this throws.
    static func read<Note: Decodable>(_: Note.Type, from file: URL) throws -> Note {
        let name = file.lastPathComponent
        guard let handle = try? FileHandle(forReadingFrom: file) else {
            throw StorageError.failed("\(name) cannot be read.")
        }
        defer { try? handle.close() }
        guard let bytes = try? handle.read(upToCount: mostBytes + 1), bytes.count <= mostBytes,
            let note = try? JSONDecoder().decode(Note.self, from: bytes)
        else { throw StorageError.failed("\(name) is damaged.") }
        return note
    }

    static func write(_ note: some Encodable, to file: URL, on disk: Disk) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let bytes = try? encoder.encode(note) else {
            throw StorageError.failed("\(file.lastPathComponent) cannot be written: a number in it is none.")
        }
        try disk.write(file, bytes)
    }
}
