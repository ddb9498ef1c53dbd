import Foundation

/// What people and files call subjects; shown, and made into words for prompts, never into file names.
enum Names {
    static let mostName = 40
    static let mostClass = 40
    private static let mostSlug = 20

    /// `text` fit to be shown in one line: no control characters, no tricks with direction, no more than `most` UTF-16
    /// units.
    static func clean(_ text: String, most: Int = mostName) -> String {
        let shown = String(String.UnicodeScalarView(text.unicodeScalars.map { isHidden($0) ? " " : $0 }))
        let words = shown.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return cut(words, most).trimmingCharacters(in: .whitespaces)
    }

    /// The beginning of `text`, whole characters, of no more than `most` UTF-16 units.
    static func cut(_ text: String, _ most: Int) -> String {
        var units = 0
        return String(
            text.prefix { character in
                units += character.utf16.count
                return units <= most
            })
    }

    /// A new word for prompts, such as <my-minka>, that is none of `taken`.
    static func token(for name: String, taken: Set<String>) -> String {
        let stem = "my-" + (slug(name).isEmpty ? "subject" : slug(name))
        if !taken.contains("<\(stem)>") { return "<\(stem)>" }
        return (2...).lazy.map { "<\(stem)-\($0)>" }.first { !taken.contains($0) } ?? "<\(stem)>"
    }

    /// Small Latin letters, digits and hyphens of `name`; accents go, letters of other scripts too.
    private static func slug(_ name: String) -> String {
        let plain = name.decomposedStringWithCanonicalMapping.lowercased().unicodeScalars
        let kept = plain.compactMap { scalar -> Character? in
            if ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) { return Character(scalar) }
            let isPartOfLetter = scalar.properties.isAlphabetic || scalar.properties.generalCategory == .nonspacingMark
            return isPartOfLetter ? nil : "-"
        }
        let words = String(kept).split(separator: "-").joined(separator: "-")
        return words.prefix(mostSlug).trimmingCharacters(in: CharacterSet(charactersIn: "-"))
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
