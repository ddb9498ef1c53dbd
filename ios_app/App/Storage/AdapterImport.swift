import Foundation
import Likeness

/// Why a file does not become a subject.
enum ImportError: Error, Equatable, Sendable {
    /// It cannot be an adapter, or is larger than one can be.
    case notAnAdapter(String)
    /// A subject with these words is here already.
    case wordsTaken([String])

    var message: String {
        switch self {
        case .notAnAdapter(let message): message
        case .wordsTaken(let tokens): "\(tokens.joined(separator: " ")) is taught already."
        }
    }
}

/// Takes in an adapter file from anyone. It is copied under a limit, looked at from outside, then opened by the core,
/// which checks all of it against the model; only then does it become a subject. Nothing stays of a file that is
/// refused.
@MainActor
final class AdapterImport {
    /// Custom Diffusion's keys and values of a Stable Diffusion 1.x are 77 MB in float32.
    static let mostBytes = 512 * 1024 * 1024
    static let mostToken = 64
    nonisolated private static let mostHeaderBytes: UInt64 = 16 * 1024 * 1024
    nonisolated private static let reserveBytes = 16 * 1024 * 1024
    nonisolated private static let pieceBytes = 64 * 1024

    private let layout: StorageLayout
    private let disk: Disk
    private let trash: Trash
    private let subjects: SubjectStore
    private let now: () -> Int
    private let mostBytes: Int

    /// - Parameter now: milliseconds since 1970
    init(
        layout: StorageLayout, disk: Disk, trash: Trash, subjects: SubjectStore, mostBytes: Int = mostBytes,
        now: @escaping () -> Int
    ) {
        self.layout = layout
        self.disk = disk
        self.trash = trash
        self.subjects = subjects
        self.mostBytes = mostBytes
        self.now = now
    }

    /// Throws what ``Studio/loadAdapter(_:)`` throws, ``ImportError`` and ``StorageError``.
    func take(_ outside: OutsideFile, _ studio: any Studio) async throws -> Subject {
        let id = ItemID()
        let folder = layout.incoming.appending(path: id.text)
        do {
            let subject = try await subject(id, in: folder, from: outside, studio)
            try await subjects.adopt(subject, folder)
            return subject
        } catch {
            try? await offMain { [trash] in try trash.delete(folder) }
            throw error
        }
    }

    private func subject(
        _ id: ItemID, in folder: URL, from outside: OutsideFile, _ studio: any Studio
    ) async throws -> Subject {
        let file = SubjectFiles(folder: folder).adapter
        try await offMain { [disk, layout, mostBytes] in
            try Self.copy(outside, to: file, mostBytes, disk, layout)
            try Self.checkOutside(file)
        }
        let adapter = try await studio.loadAdapter(file)
        defer { adapter.close() }
        return try describe(adapter.info, id, outside.name)
    }

    /// Not a byte is written beyond `most`, whatever the file says of its size.
    nonisolated private static func copy(
        _ outside: OutsideFile, to file: URL, _ most: Int, _ disk: Disk, _ layout: StorageLayout
    ) throws {
        try outside.read { handle in
            try disk.write(file) { sink in
                var total = 0
                while let piece = try handle.read(upToCount: pieceBytes), !piece.isEmpty {
                    total += piece.count
                    guard total <= most else {
                        throw ImportError.notAnAdapter("The file is larger than an adapter can be.")
                    }
                    try disk.needRoom(reserveBytes, at: layout.root)
                    try sink.write(piece)
                }
            }
        }
    }

    /// safetensors: eight bytes with the header's length, then the header, a JSON object.
    nonisolated private static func checkOutside(_ file: URL) throws {
        let bytes = try Data(contentsOf: file, options: .mappedIfSafe)
        let length = bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard bytes.count > 8, (2...mostHeaderBytes).contains(length), length + 8 <= UInt64(bytes.count),
            bytes[8] == UInt8(ascii: "{")
        else { throw ImportError.notAnAdapter("The file is no adapter.") }
    }

    private func describe(_ info: AdapterInfo, _ id: ItemID, _ shownName: String) throws -> Subject {
        guard let first = info.tokens.first, info.tokens.allSatisfy({ canBeInPrompt($0) }) else {
            throw ImportError.notAnAdapter("The file's words for the subject cannot be used in a prompt.")
        }
        let taken = info.tokens.filter { subjects.takenTokens.contains($0.lowercased()) }
        guard taken.isEmpty else { throw ImportError.wordsTaken(taken) }
        let shown = Names.clean(shownName.replacing(/\.safetensors$/, with: ""))
        return Subject(
            id: id, name: shown.isEmpty ? first : shown, className: Names.clean(info.className, most: Names.mostClass),
            tokens: info.tokens, state: .ready, createdAt: now())
    }

    private func canBeInPrompt(_ token: String) -> Bool {
        !token.isEmpty && !token.contains(" ") && token == Names.clean(token, most: Self.mostToken)
    }
}
