import Foundation
import Testing

@testable import App

/// Every word that a person reads is in the String Catalog, in English and in German.
struct CatalogTests {
    private let catalog: Catalog
    private let languages: Set = ["en", "de"]
    /// Keys as the sources have them, an interpolation being `%`.
    private let used: [String]

    init() throws {
        catalog = try Catalog.read("Resources/Localizable.xcstrings")
        used = ProjectFiles.app.flatMap { $0.matches(/String\(localized: "((?:[^"\\]|\\\([^)]*\))*)"/) }
            .map { $0.replacing(/\\\([^)]*\)/, with: "%") }
    }

    private func withoutKinds(_ key: String) -> String {
        key.replacing(/%(?:lld|@|f)/, with: "%")
    }

    @Test func everyKeyIsInTheCatalogAndNoneIsUnused() {
        #expect(used.count > 100)
        #expect(Set(used) == Set(catalog.strings.keys.map(withoutKinds)))
        #expect(Set(used).count == used.count, "two texts have the same key")
    }

    @Test func bothLanguagesHaveEveryText() {
        for (key, entry) in catalog.strings {
            #expect(Set(entry.localizations.keys) == languages, "\(key)")
            for text in entry.localizations.values.flatMap(\.texts) {
                #expect(text.state == "translated" && text.value.contains { !$0.isWhitespace }, "\(key)")
            }
        }
    }

    /// The key's placeholders are the arguments: each text takes them all, and as what they are.
    @Test func everyTextHasThePlaceholdersOfItsKey() {
        for (key, entry) in catalog.strings {
            for text in entry.localizations.values.flatMap(\.texts) {
                #expect(Catalog.placeholders(text.value) == Catalog.placeholders(key), "\(key): \(text.value)")
            }
        }
    }

    @Test func pluralsHaveEveryCategoryOfTheirLanguage() {
        let plurals = catalog.strings.filter { !$0.value.localizations.values.allSatisfy(\.categories.isEmpty) }
        #expect(Set(plurals.keys) == ["teach.photos.count %lld", "teach.photos.refused %lld", "paint.too_many %lld"])
        for (key, entry) in plurals {
            for localization in entry.localizations.values {
                #expect(localization.categories == ["one", "other"], "\(key)")
            }
        }
    }

    @Test func germanIsTranslated() {
        let same = catalog.strings.filter { _, entry in
            entry.localizations["en"]?.texts.map(\.value) == entry.localizations["de"]?.texts.map(\.value)
        }
        let meant: Set = [
            "teach.name", "teach.name.hint", "teach.class.hint", "paint.prompt.hint", "paint.negative.hint",
            "settings.model.name", "problem.with_detail %@ %@",
        ]
        #expect(Set(same.keys) == meant)
    }

    @Test func noTextIsOutsideTheCatalog() {
        let shown =
            #/
            \b(?:
                Text | Button | Label | Toggle | Section | Menu | LabeledContent | ProgressView | TextField | Stepper
                | ContentUnavailableView | navigationTitle | accessibilityLabel | confirmationDialog
            )\(\s*("[^"]*")
            /#
            .wordBoundaryKind(.simple)
        for source in ProjectFiles.app {
            #expect(source.text.matches(of: shown).map { String($0.output.1) } == [], "\(source)")
        }
    }

    @Test func whatIOSShowsIsTranslatedToo() throws {
        let catalog = try Catalog.read("Resources/InfoPlist.xcstrings")
        let info = try ProjectFiles.propertyList("Resources/Info.plist")
        let shown = info.keys.filter { $0.hasSuffix("UsageDescription") } + ["CFBundleDisplayName"]
        #expect(Set(catalog.strings.keys) == Set(shown))
        for (key, entry) in catalog.strings {
            #expect(Set(entry.localizations.keys) == languages, "\(key)")
            #expect(entry.localizations["en"]?.texts.first?.value == info[key] as? String, "\(key)")
        }
        #expect(Set(info["CFBundleLocalizations"] as? [String] ?? []) == languages)
    }
}
