/// What a person asks for.
struct PaintSettings: Sendable, Equatable {
    var prompt = ""
    var negativePrompt = ""
    var seed: UInt64 = 0
    var steps = 20
    var guidance = 5.0
    var count = 1
}

/// What the screen shows of a painting.
struct PaintUiState: Sendable, Equatable {
    static let steps = 1...50
    static let counts = 1...8
    static let guidances = 1.0...15.0

    /// Those that can be painted.
    var subjects: [Subject] = []
    var settings = PaintSettings()
    /// Those that the prompt names.
    var used: [Subject] = []
    /// How many the model can tell apart in one prompt.
    var mostSubjects = 2
    /// The seed is drawn anew for each painting.
    var newSeedEachTime = true
    /// nil: nothing is being painted.
    var progress: PaintProgress?
    /// The pictures of the last painting; they are kept already.
    var painted: [KeptPicture] = []
    var problem: Problem?

    var tooManySubjects: Bool { used.reduce(0) { $0 + $1.tokens.count } > mostSubjects }

    var canPaint: Bool {
        progress == nil && settings.prompt.contains { !$0.isWhitespace } && !tooManySubjects
    }
}

/// Calls of the model; 0 of 0 while it is being opened.
struct PaintProgress: Sendable, Equatable {
    var done = 0
    var total = 0

    /// 0 to 1; nil while that is not known.
    var fraction: Double? { total > 0 ? Double(done) / Double(total) : nil }
}
