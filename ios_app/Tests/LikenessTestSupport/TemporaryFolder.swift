import Foundation

/// A folder for one test, removed when it is let go.
public final class TemporaryFolder: Sendable {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("likeness-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    public func file(_ name: String) -> URL {
        url.appendingPathComponent(name)
    }
}

extension URL {
    public var exists: Bool {
        FileManager.default.fileExists(atPath: path)
    }
}

/// A copy of `bundle` in whose manifest the first `old` is `new`.
public func copyBundle(_ bundle: URL, to target: URL, replacing old: String, with new: String) throws -> URL {
    try FileManager.default.copyItem(at: bundle, to: target)
    let manifest = target.appendingPathComponent("manifest.json")
    var text = try String(contentsOf: manifest, encoding: .utf8)
    guard let range = text.range(of: old) else { throw CocoaError(.fileReadCorruptFile) }
    text.replaceSubrange(range, with: new)
    try text.write(to: manifest, atomically: true, encoding: .utf8)
    return target
}
