import Testing

@testable import App

struct MentionsTests {
    private let all: [Subject]

    init() {
        all = [["<my-minka>"], ["<my-minka-2>"], ["sks"], ["<a>", "<b>"]].map { tokens in
            Subject(id: ItemID(), name: tokens[0], className: "cat", tokens: tokens, state: .ready, createdAt: 0)
        }
    }

    @Test func wholeWordsCount() {
        let table: [(String, [String])] = [
            ("a photo of a <my-minka> cat", ["<my-minka>"]),
            ("<MY-MINKA>", ["<my-minka>"]),
            ("<my-minka-2> and <my-minka>", ["<my-minka>", "<my-minka-2>"]),
            ("asks for sksy things", []),
            ("sks, please", ["sks"]),
            ("a <b> cat", ["<a>"]),
            ("sk", []),
            ("", []),
        ]
        for (prompt, names) in table { #expect(subjects(in: prompt, of: all).map(\.name) == names, "\(prompt)") }
    }

    @Test func wordsArePutInWithSpaces() {
        #expect(insert("<m> cat", into: "a in a bucket", at: 1) == ("a <m> cat in a bucket", 9))
        #expect(insert("<m> cat", into: "a", at: 99) == ("a <m> cat", 9))
        #expect(insert("<m> cat", into: "b", at: -1) == ("<m> cat b", 7))
        #expect(insert("<m> cat", into: "a , b", at: 2) == ("a <m> cat, b", 9))
        #expect(insert("<m> cat", into: "", at: 0) == ("<m> cat", 7))
    }
}
