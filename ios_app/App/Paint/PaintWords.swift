#if canImport(SwiftUI)
import Foundation

/// What the screen says on which pictures are painted.
extension Words {
    static var paintTitle: String { String(localized: "paint.title") }
    static var paint: String { String(localized: "paint.start") }
    static var prompt: String { String(localized: "paint.prompt") }
    static var promptHint: String { String(localized: "paint.prompt.hint") }
    static func insert(_ name: String) -> String { String(localized: "paint.insert \(name)") }
    private static func usedSubjects(_ names: String) -> String { String(localized: "paint.used \(names)") }
    private static var usedNone: String { String(localized: "paint.used.none") }
    private static func tooMany(_ most: Int) -> String { String(localized: "paint.too_many \(most)") }
    static var preparing: String { String(localized: "paint.preparing") }
    static func painting(percent: Int) -> String { String(localized: "paint.progress \(percent)") }
    static func count(_ count: Int) -> String { String(localized: "paint.count \(count)") }
    static func samplingSteps(_ steps: Int) -> String { String(localized: "paint.steps \(steps)") }
    private static func guidanceScale(_ scale: String) -> String { String(localized: "paint.guidance \(scale)") }
    static var negativePrompt: String { String(localized: "paint.negative") }
    static var negativePromptHint: String { String(localized: "paint.negative.hint") }
    static var seed: String { String(localized: "paint.seed") }
    static var newSeed: String { String(localized: "paint.seed.new") }
    static func painted(_ place: Int, _ prompt: String) -> String {
        String(localized: "paint.result.description \(place) \(prompt)")
    }

    /// Which subjects the prompt names; nil while there is no prompt.
    static func used(_ state: PaintUiState) -> String? {
        if !state.settings.prompt.contains(where: { !$0.isWhitespace }) { return nil }
        if state.tooManySubjects { return tooMany(state.mostSubjects) }
        return state.used.isEmpty ? usedNone : usedSubjects(state.used.map(\.name).formatted())
    }

    static func guidance(_ scale: Double) -> String {
        guidanceScale(scale.formatted(.number.precision(.fractionLength(1))))
    }
}
#endif
