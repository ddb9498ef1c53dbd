import Foundation

/// A String Catalog, as Xcode reads it.
struct Catalog: Decodable {
    struct Entry: Decodable {
        let localizations: [String: Localization]
    }

    struct Localization: Decodable {
        struct Unit: Decodable {
            struct Text: Decodable {
                let state: String
                let value: String
            }

            let stringUnit: Text
        }

        let stringUnit: Unit.Text?
        /// By kind, then by the kind's value: plural, then one or other.
        let variations: [String: [String: Unit]]?

        /// The plural's categories; none where there are none.
        var categories: Set<String> { Set((variations?["plural"] ?? [:]).keys) }

        var texts: [Unit.Text] {
            [stringUnit].compactMap { $0 } + (variations ?? [:]).values.flatMap { $0.values.map(\.stringUnit) }
        }
    }

    let sourceLanguage: String
    let strings: [String: Entry]

    static func read(_ path: String) throws -> Catalog {
        try JSONDecoder().decode(Catalog.self, from: Data(ProjectFiles.text(path).utf8))
    }

    /// The placeholders of a text in the order of their arguments: `%2$@ %1$lld` and `%lld %@` have the same.
    static func placeholders(_ text: String) -> [String] {
        let found = text.replacing("%%", with: "").matches(of: /%(?:(\d)\$)?(lld|@|f)/)
        return found.enumerated()
            .map { place, match in (match.output.1.flatMap { Int($0) } ?? place + 1, String(match.output.2)) }
            .sorted { $0.0 < $1.0 }
            .map(\.1)
    }
}
