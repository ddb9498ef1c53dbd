import Foundation

/// Gives texts to the core: UTF-8 with a zero at the end, valid while `body` runs.
///
/// - Throws: ``LikenessError/invalidArgument(_:)`` for a text with a zero in it, and what `body` throws
func withTexts<Result>(
    _ texts: String..., body: ([UnsafePointer<CChar>]) throws -> Result
) throws -> Result {
    for text in texts where text.utf8.contains(0) {
        throw LikenessError.invalidArgument("a text contains a zero character; remove it")
    }
    func add(_ rest: ArraySlice<String>, _ pointers: [UnsafePointer<CChar>]) throws -> Result {
        guard let first = rest.first else { return try body(pointers) }
        return try first.withCString { try add(rest.dropFirst(), pointers + [$0]) }
    }
    return try add(texts[...], [])
}

extension URL {
    /// The path of a file, for the core.
    func corePath() throws -> String {
        guard isFileURL else {
            throw LikenessError.invalidArgument("\(absoluteString) is no file on this device; give a file's URL")
        }
        return path
    }
}
