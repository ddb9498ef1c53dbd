#if canImport(SwiftUI)
import Foundation

/// What the screens of kept pictures say.
extension Words {
    static var picturesTitle: String { String(localized: "pictures.title") }
    static var picturesEmpty: String { String(localized: "pictures.empty") }
    static func picture(_ prompt: String) -> String { String(localized: "picture.description \(prompt)") }
    private static func numbers(seed: String, _ place: Int, steps: Int, guidance: String) -> String {
        String(localized: "picture.details \(seed) \(place) \(steps) \(guidance)")
    }
    static func notInIt(_ prompt: String) -> String { String(localized: "picture.negative \(prompt)") }
    private static func withSubjects(_ names: String) -> String { String(localized: "picture.subjects \(names)") }
    static var share: String { String(localized: "picture.share") }
    static var saveToPhotos: String { String(localized: "picture.save") }
    static var saved: String { String(localized: "picture.saved") }
    static var paintAgain: String { String(localized: "picture.again") }
    static var deletePicture: String { String(localized: "picture.delete.title") }

    static func details(_ picture: KeptPicture) -> String {
        numbers(
            seed: String(picture.seed), picture.index + 1, steps: picture.steps,
            guidance: picture.guidance.formatted(.number.precision(.fractionLength(1))))
    }

    static func with(_ subjects: [String]) -> String { withSubjects(subjects.formatted()) }
}
#endif
