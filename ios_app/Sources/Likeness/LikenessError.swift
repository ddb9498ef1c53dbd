import Foundation

/// A call of the core failed. The message, for people, says what is wrong and what to do.
///
/// One case a status of lk_status; Kotlin's and Python's wrappers have the same.
public enum LikenessError: Error, Equatable, Sendable {
    /// A setting or an argument is not one the core can work with.
    case invalidArgument(String)
    /// A file or folder cannot be read or written.
    case storage(String)
    /// A file is damaged, or is not what it should be.
    case corruptFile(String)
    /// A file is of a newer or an older format.
    case unsupportedVersion(String)
    /// An adapter or a journal belongs to another base model; the message names both.
    case wrongModel(String)
    /// There is not enough memory. The process is well.
    case outOfMemory(String)
    /// Somebody asked to stop. A session has written a checkpoint and can be run again.
    case cancelled(String)
    /// A session is in use by another call, or another session has its journal.
    case busy(String)
    /// Training diverged, or a file holds a value that is not a finite number.
    case notFinite(String)
    /// No space left. The last checkpoint is whole; free some and run the session again.
    case diskFull(String)
    /// A mistake in the core or in this library.
    case `internal`(String)
    /// A picture cannot be used as a photo; the message says why.
    case badPhoto(String)

    /// What is wrong and what to do.
    public var message: String {
        switch self {
        case .invalidArgument(let message), .storage(let message), .corruptFile(let message),
            .unsupportedVersion(let message), .wrongModel(let message), .outOfMemory(let message),
            .cancelled(let message), .busy(let message), .notFinite(let message), .diskFull(let message),
            .internal(let message), .badPhoto(let message):
            message
        }
    }
}

extension LikenessError: LocalizedError {
    public var errorDescription: String? { message }
}

/// An object was used after it was closed: a mistake of whoever used it, where Kotlin has IllegalStateException.
public struct ClosedError: Error, Equatable, Sendable {
    /// `engine`, `adapter` or `session`.
    public let what: String

    public init(what: String) {
        self.what = what
    }
}

extension ClosedError: LocalizedError {
    public var errorDescription: String? { "this \(what) is closed" }
}
