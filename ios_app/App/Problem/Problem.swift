import Foundation
import Likeness

/// What went wrong, as far as it makes a difference to what a person can do about it.
enum ProblemKind: String, Sendable, Codable, CaseIterable {
    case storageFull
    case storageFailed
    case outOfMemory
    case badPhoto
    case damagedFile
    case otherVersion
    case otherModel
    case notAnAdapter
    case wordsTaken
    case busy
    case diverged
    case refused
    case photosNotAllowed
    case `internal`
}

/// A problem that a screen shows: what to do in the person's language, then `detail`, the core's or the system's own
/// message, in English.
struct Problem: Sendable, Equatable {
    let kind: ProblemKind
    let detail: String

    init(_ kind: ProblemKind, _ detail: String = "") {
        self.kind = kind
        self.detail = detail
    }

    /// Which problem `error` is. Cancellation is none: let it pass before asking.
    init(_ error: any Error) {
        switch error {
        case let error as LikenessError: self.init(Self.kind(of: error), error.message)
        case let error as StorageError: self.init(Self.kind(of: error), error.message)
        case let error as ImportError: self.init(Self.kind(of: error), error.message)
        case PhotoLibraryError.notAllowed: self.init(.photosNotAllowed)
        case let error as CocoaError: self.init(Self.kind(of: error), error.localizedDescription)
        default: self.init(.internal, "\(error)")
        }
    }

    private static func kind(of error: LikenessError) -> ProblemKind {
        switch error {
        case .invalidArgument: .refused
        case .storage: .storageFailed
        case .corruptFile: .damagedFile
        case .unsupportedVersion: .otherVersion
        case .wrongModel: .otherModel
        case .outOfMemory: .outOfMemory
        case .busy: .busy
        case .notFinite: .diverged
        case .diskFull: .storageFull
        case .badPhoto: .badPhoto
        case .cancelled, .internal: .internal
        }
    }

    private static func kind(of error: StorageError) -> ProblemKind {
        switch error {
        case .full: .storageFull
        case .failed: .storageFailed
        }
    }

    private static func kind(of error: ImportError) -> ProblemKind {
        switch error {
        case .notAnAdapter: .notAnAdapter
        case .wordsTaken: .wordsTaken
        }
    }

    private static func kind(of error: CocoaError) -> ProblemKind {
        error.code == .fileWriteOutOfSpace ? .storageFull : .storageFailed
    }
}
