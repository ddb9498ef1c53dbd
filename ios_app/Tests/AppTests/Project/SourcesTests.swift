import Foundation
import Testing

@testable import App

/// What the sources may use, and which part of the app may know which.
struct SourcesTests {
    private let pure: Set = ["Foundation", "Likeness", "Observation", "Dispatch"]
    private let apple: Set = [
        "BackgroundTasks", "CoreGraphics", "ImageIO", "Photos", "PhotosUI", "SwiftUI", "UIKit",
        "UniformTypeIdentifiers",
    ]

    @Test func nothingIsImportedThatCouldUseTheNetwork() {
        #expect(ProjectFiles.app.count > 60 && ProjectFiles.library.count > 15)
        for source in ProjectFiles.app {
            #expect(source.imports.isSubset(of: pure.union(apple)), "\(source)")
        }
        let systems: Set = ["CLikeness", "Foundation", "Dispatch", "Synchronization", "Glibc", "Darwin"]
        for source in ProjectFiles.library {
            #expect(source.imports.isSubset(of: systems), "\(source): \(source.imports)")
        }
    }

    /// Foundation and UIKit have ways out too, and these are all of their names.
    @Test func nothingOpensAConnection() {
        for source in ProjectFiles.app + ProjectFiles.library {
            #expect(source.code.flatMap(waysOut) == [], "\(source)")
        }
        let lines = [
            "URLSession.shared.data", "let a:NWConnection?", "WKWebView()", "\"https://a.org\"", "connect(a,b,c)",
        ]
        for line in lines { #expect(waysOut(line[...]).count == 1, "\(line)") }
    }

    private func waysOut(_ line: Substring) -> [String] {
        // To Unicode, `URLSession.shared` is one word: the simple boundaries are meant.
        let names =
            #/
            \b(
                URLSession\w* | URLRequest | NSURL\w+ | NW[A-Z]\w+ | NetService\w* | MCSession | Host | https?
                | CFStream\w* | CFSocket\w* | InputStream | OutputStream | socket | connect | getaddrinfo
                | WK\w+ | SFSafari\w+ | AsyncImage | openURL | UIPasteboard | CKContainer | NSUbiquitous\w+
            )\b
            /#
            .wordBoundaryKind(.simple)
        return line.matches(of: names).map { String($0.output.1) }
    }

    @Test func whatHoldsStatesAndDecidesKnowsNoUI() {
        let pureNames =
            #/
            (?: ViewModels? | UiState | Worker | Run | Meter | Keeper | State | Planner | Painter | Forecast | Policy
                | Monitor | Conditions | Provider | Navigator | Mentions | Problem | Graph | AppSettings )$
            /#
        let decides = ProjectFiles.app.filter { source in
            ["App/Storage/", "App/Support/"].contains { source.path.hasPrefix($0) }
                || (source.name.contains(pureNames) && !source.name.hasPrefix("Phone"))
        }
        #expect(decides.count > 40)
        for source in decides { #expect(source.imports.isSubset(of: pure), "\(source)") }
    }

    /// So that everything else is compiled and tested without an Apple system.
    @Test func whatNeedsAppleIsLeftOutElsewhere() {
        let needs = ProjectFiles.app.filter { !$0.imports.isDisjoint(with: apple) }
        #expect(needs.count > 15)
        for source in needs {
            let text = source.text.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(
                text.hasPrefix("#if canImport(SwiftUI)\n") || text.hasPrefix("#if canImport(UIKit)\n"), "\(source)")
            #expect(text.hasSuffix("#endif"), "\(source)")
        }
    }

    /// A size in points would stay as it is when a person asks for larger letters.
    @Test func lettersFollowThePersonsSize() {
        for source in ProjectFiles.app {
            #expect(source.code.filter { $0.contains(/\.system\(size:|Font\.custom|UIFont\(/) } == [], "\(source)")
        }
    }

    @Test func coloursFollowLightAndDark() {
        for source in ProjectFiles.app {
            #expect(source.code.filter { $0.contains(/Color\((red|white|hue|\.sRGB)|UIColor\(/) } == [], "\(source)")
        }
    }

    /// Whoever shows a picture says what it is, or that it only decorates.
    @Test func everyPictureSaysWhatItIs() {
        let shows = ProjectFiles.app.filter { source in
            source.name != "PictureViews"
                && source.code.contains { $0.contains(/\b(FilePicture|CorePicture)\(/.wordBoundaryKind(.simple)) }
        }
        #expect(shows.count >= 6)
        for source in shows {
            let pictures = source.code.filter { $0.contains(/\b(FilePicture|CorePicture)\(/.wordBoundaryKind(.simple)) }
                .count
            let words = source.code.filter { $0.contains(/\.accessibility(Label|Hidden)\(/) }.count
            #expect(words >= pictures, "\(source)")
        }
    }

    @Test func filesAreSmall() {
        for source in ProjectFiles.app { #expect(source.code.count < 320, "\(source)") }
    }
}
