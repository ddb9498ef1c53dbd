import Foundation

/// The person's own photo library, to which pictures can be added and of which nothing is read.
protocol PhotoLibrary: Sendable {
    /// Adds the picture in `file`. Throws ``PhotoLibraryError``, and what keeps the library from taking it.
    func add(_ file: URL) async throws
}

enum PhotoLibraryError: Error, Equatable, Sendable {
    /// The person does not let this app add pictures.
    case notAllowed
}
