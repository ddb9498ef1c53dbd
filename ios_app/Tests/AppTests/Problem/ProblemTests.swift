import Foundation
import Likeness
import Testing

@testable import App

struct ProblemTests {
    @Test func everyErrorIsAProblemOfItsKind() {
        let table: [(any Error, ProblemKind)] = [
            (LikenessError.invalidArgument("m"), .refused), (LikenessError.storage("m"), .storageFailed),
            (LikenessError.corruptFile("m"), .damagedFile), (LikenessError.unsupportedVersion("m"), .otherVersion),
            (LikenessError.wrongModel("m"), .otherModel), (LikenessError.outOfMemory("m"), .outOfMemory),
            (LikenessError.cancelled("m"), .internal), (LikenessError.busy("m"), .busy),
            (LikenessError.notFinite("m"), .diverged), (LikenessError.diskFull("m"), .storageFull),
            (LikenessError.internal("m"), .internal), (LikenessError.badPhoto("m"), .badPhoto),
            (StorageError.full("m"), .storageFull), (StorageError.failed("m"), .storageFailed),
            (ImportError.notAnAdapter("m"), .notAnAdapter),
        ]
        for (error, kind) in table { #expect(Problem(error) == Problem(kind, "m"), "\(error)") }
        #expect(Problem(ImportError.wordsTaken(["<rex>"])) == Problem(.wordsTaken, "<rex> is taught already."))
        #expect(Problem(PhotoLibraryError.notAllowed).kind == .photosNotAllowed)
        #expect(Problem(CocoaError(.fileWriteOutOfSpace)).kind == .storageFull)
        #expect(Problem(CocoaError(.fileReadNoSuchFile)).kind == .storageFailed)
        #expect(Problem(CancellationError()).kind == .internal)
    }
}
