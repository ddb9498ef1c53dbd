/// Someone or something that was or is being taught.
struct Subject: Sendable, Equatable, Identifiable {
    enum State: String, Sendable, Codable {
        /// Photos or a journal are there; it can be taught on.
        case learning
        /// Its adapter is whole; it can be painted.
        case ready
        /// Its files cannot be read; it can only be deleted.
        case damaged
    }

    let id: ItemID
    var name: String
    /// What it is, a word of the model's language; "" where the adapter is of several classes.
    var className: String
    /// The words that stand for it in a prompt: one, or several for a merged file that was imported.
    var tokens: [String]
    var state: State
    /// Milliseconds since 1970.
    var createdAt: Int
    /// How its learning stands, while it learns.
    var resume = ResumeRecord()

    /// How a prompt names it.
    var words: String { (tokens + [className]).filter { !$0.isEmpty }.joined(separator: " ") }

    static func damaged(_ id: ItemID) -> Subject {
        Subject(id: id, name: "", className: "", tokens: [], state: .damaged, createdAt: 0)
    }
}

/// What subject.json says.
struct SubjectNote: Codable {
    let name: String
    let className: String
    let tokens: [String]
    let state: Subject.State
    let createdAt: Int

    init(_ subject: Subject) {
        name = subject.name
        className = subject.className
        tokens = subject.tokens
        state = subject.state
        createdAt = subject.createdAt
    }
}
