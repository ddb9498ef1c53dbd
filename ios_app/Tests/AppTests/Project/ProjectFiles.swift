import Foundation

/// The app's own sources and resources, for tests that read them.
enum ProjectFiles {
    static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let app = swift(in: "App")
    static let library = swift(in: "Sources")

    struct Source: CustomStringConvertible {
        /// In ios_app.
        let path: String
        let text: String

        var description: String { path }
        var name: String { URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent }
        var imports: Set<String> { Set(matches(/import ([A-Za-z]+)/)) }

        /// What the expression's group found, in every line that is no comment.
        func matches(_ expression: Regex<(Substring, Substring)>) -> [String] {
            code.flatMap { line in line.matches(of: expression).map { String($0.output.1) } }
        }

        /// The lines that are not comments.
        var code: [Substring] {
            text.split(separator: "\n").filter { !$0.drop(while: \.isWhitespace).hasPrefix("//") }
        }
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    }

    static func propertyList(_ path: String) throws -> [String: Any] {
        let bytes = try Data(contentsOf: folder.appending(path: path))
        let list = try PropertyListSerialization.propertyList(from: bytes, format: nil)
        guard let dictionary = list as? [String: Any] else { throw CocoaError(.propertyListReadCorrupt) }
        return dictionary
    }

    private static func swift(in part: String) -> [Source] {
        filesUnder(folder.appending(path: part)).filter { $0.hasSuffix(".swift") }.sorted().map { path in
            Source(path: "\(part)/\(path)", text: (try? text("\(part)/\(path)")) ?? "")
        }
    }
}
