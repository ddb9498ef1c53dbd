/// The subjects of `all` that `prompt` names, in the order of `all`. A word counts only as a whole.
func subjects(in prompt: String, of all: [Subject]) -> [Subject] {
    all.filter { subject in subject.tokens.contains { mentions(prompt, $0) } }
}

/// `prompt` with `words` put in behind its first `position` characters, spaced; and the position behind them.
func insert(_ words: String, into prompt: String, at position: Int) -> (prompt: String, position: Int) {
    let before = String(prompt.prefix(max(0, position)))
    let after = String(prompt.dropFirst(before.count))
    let start = before.isEmpty || before.last?.isWhitespace == true ? before : before + " "
    let end = after.first.map(isPartOfWord) == true ? " " + after : after
    return (start + words + end, start.count + words.count)
}

private func mentions(_ prompt: String, _ token: String) -> Bool {
    let prompt = Array(prompt.lowercased())
    let token = Array(token.lowercased())
    guard !token.isEmpty, token.count <= prompt.count else { return false }
    return (0...prompt.count - token.count).contains { start in
        let end = start + token.count
        return prompt[start..<end].elementsEqual(token)
            && (start == 0 || !isPartOfWord(prompt[start - 1]))
            && (end == prompt.count || !isPartOfWord(prompt[end]))
    }
}

private func isPartOfWord(_ character: Character) -> Bool {
    character.isLetter || character.isNumber
}
