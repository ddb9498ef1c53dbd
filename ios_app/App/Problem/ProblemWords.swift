#if canImport(SwiftUI)
import Foundation

/// What a person can do about a problem.
extension Words {
    private static func problem(_ advice: String, _ detail: String) -> String {
        String(localized: "problem.with_detail \(advice) \(detail)")
    }
    private static var storageFull: String { String(localized: "problem.storage_full") }
    private static var storageFailed: String { String(localized: "problem.storage_failed") }
    private static var outOfMemory: String { String(localized: "problem.out_of_memory") }
    private static var badPhoto: String { String(localized: "problem.bad_photo") }
    private static var damagedFile: String { String(localized: "problem.damaged_file") }
    private static var otherVersion: String { String(localized: "problem.other_version") }
    private static var otherModel: String { String(localized: "problem.other_model") }
    private static var notAnAdapter: String { String(localized: "problem.not_an_adapter") }
    private static var wordsTaken: String { String(localized: "problem.words_taken") }
    private static var busy: String { String(localized: "problem.busy") }
    private static var diverged: String { String(localized: "problem.diverged") }
    private static var refusedByModel: String { String(localized: "problem.refused") }
    private static var photosNotAllowed: String { String(localized: "problem.photos_not_allowed") }
    private static var internalProblem: String { String(localized: "problem.internal") }

    /// What to do, in the person's language; then the core's own words, which are English.
    static func text(_ problem: Problem) -> String {
        let advice = advice(problem.kind)
        return problem.detail.isEmpty ? advice : self.problem(advice, problem.detail)
    }

    private static func advice(_ kind: ProblemKind) -> String {
        switch kind {
        case .storageFull: storageFull
        case .storageFailed: storageFailed
        case .outOfMemory: outOfMemory
        case .badPhoto: badPhoto
        case .damagedFile: damagedFile
        case .otherVersion: otherVersion
        case .otherModel: otherModel
        case .notAnAdapter: notAnAdapter
        case .wordsTaken: wordsTaken
        case .busy: busy
        case .diverged: diverged
        case .refused: refusedByModel
        case .photosNotAllowed: photosNotAllowed
        case .internal: internalProblem
        }
    }
}
#endif
