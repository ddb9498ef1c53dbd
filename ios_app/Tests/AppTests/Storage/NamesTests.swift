import Testing

@testable import App

struct NamesTests {
    @Test func namesAreShownInOneLine() {
        #expect(Names.clean("  Minka\n\tthe\u{0} cat ") == "Minka the cat")
        #expect(Names.clean("evil\u{202E}txt.exe") == "evil txt.exe")
        #expect(Names.clean(String(repeating: "x", count: 100)).count == 40)
        #expect(Names.clean(String(repeating: "x", count: 39) + "🐈") == String(repeating: "x", count: 39))
        #expect(Names.clean("\u{200B}\u{2028}") == "")
        // One letter with a thousand accents is one character, and far too long.
        #expect(Names.clean("e" + String(repeating: "\u{301}", count: 1000)).utf16.count <= 40)
    }

    @Test func wordsForPromptsAreNew() {
        #expect(Names.token(for: "Minka", taken: []) == "<my-minka>")
        #expect(Names.token(for: "Minka", taken: ["<my-minka>", "<my-minka-2>"]) == "<my-minka-3>")
        #expect(Names.token(for: "  José (of the) house!", taken: []) == "<my-jose-of-the-house>")
        #expect(Names.token(for: "Éva", taken: []) == "<my-eva>")
        #expect(Names.token(for: "猫", taken: []) == "<my-subject>")
        #expect(Names.token(for: "../..", taken: []) == "<my-subject>")
    }

    @Test func idsAreHexAndNothingElse() {
        for _ in 0..<100 {
            let id = ItemID()
            #expect(ItemID(id.text) == id)
        }
        for text in ["", "..", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef/", "../../../../../..", "é"] {
            #expect(ItemID(text) == nil, "\(text)")
        }
    }
}
