import Foundation
import Likeness

/// The journal of a fake session: a small JSON file.
struct FakeJournal: Sendable {
    struct Stored: Codable, Sendable {
        let className: String
        let token: String
        let step: Int
    }

    let folder: URL

    private var file: URL { folder.appending(path: "state") }

    func read() -> Stored? {
        (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(Stored.self, from: $0) }
    }

    func write(_ stored: Stored) {
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try? JSONEncoder().encode(stored).write(to: file, options: .atomic)
    }
}

/// Adapter files of the fake studio look like safetensors from outside.
enum FakeAdapterFile {
    static func bytes(_ tokens: [String], _ className: String) -> Data {
        let header = Data("{\(tokens.joined(separator: "|"));\(className)}".utf8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    }

    static func read(_ file: URL) -> AdapterInfo? {
        guard let bytes = try? Data(contentsOf: file) else { return nil }
        let header = String(decoding: bytes.dropFirst(8), as: UTF8.self)
        guard header.hasPrefix("{"), header.hasSuffix("}") else { return nil }
        let parts = header.dropFirst().dropLast().split(separator: ";", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let tokens = parts[0].split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        return AdapterInfo(kind: "full", tokens: tokens, className: String(parts[1]), json: "{}")
    }
}

/// A picture of one colour, which depends on `seed`.
func plainPicture(_ seed: Int, side: Int = FakeStudio.imageSize) -> Picture {
    let colour = [1, 7, 31].map { UInt8(truncatingIfNeeded: seed * $0) }
    guard let picture = try? Picture(width: side, height: side, rgb: (0..<3 * side * side).map { colour[$0 % 3] })
    else { preconditionFailure("a picture of \(side) pixels has that many bytes") }
    return picture
}
