/// Whether a subject goes on learning by itself after the app was ended.
struct ResumeRecord: Sendable, Equatable, Codable {
    /// Runs that end in a row without a step, before it waits for a person: a run which ends the process is not begun
    /// for ever.
    static let mostAttempts = 3

    /// A person paused it: it goes on only when they say so.
    var held = false
    /// Runs in a row that ended without a step.
    var attempts = 0
    /// Steps done when it was last written …
    var step = 0
    /// … of so many.
    var steps = 0
    /// What it failed with.
    var problem: ProblemKind?

    var goesOnByItself: Bool { !held && problem == nil && attempts < Self.mostAttempts }

    /// A person wants it to go on: nothing is in the way any longer.
    var released: ResumeRecord { ResumeRecord(step: step, steps: steps) }
}
