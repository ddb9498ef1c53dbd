/// What a session will do and need; bytes are estimates.
public struct Plan: Sendable, Equatable {
    /// All of them.
    public var steps: Int
    public var stepsDone: Int
    public var photos: Int
    /// Augmented views of all photos together.
    public var views: Int
    /// A step's rows that show the subject.
    public var instanceRows: Int
    /// A step's rows that show others of its class.
    public var priorRows: Int
    /// Peak, with the engine's memory limit.
    public var memoryBytes: Int
    /// Peak without a limit.
    public var residentMemoryBytes: Int
    /// Storage that a whole session takes.
    public var journalBytes: Int
    /// The limit makes programs load again at every step.
    public var staged: Bool
    /// Whose prior is used: the class, another, `*` all together, empty: none.
    public var priorClass: String

    public init(
        steps: Int, stepsDone: Int, photos: Int, views: Int, instanceRows: Int, priorRows: Int, memoryBytes: Int,
        residentMemoryBytes: Int, journalBytes: Int, staged: Bool, priorClass: String
    ) {
        self.steps = steps
        self.stepsDone = stepsDone
        self.photos = photos
        self.views = views
        self.instanceRows = instanceRows
        self.priorRows = priorRows
        self.memoryBytes = memoryBytes
        self.residentMemoryBytes = residentMemoryBytes
        self.journalBytes = journalBytes
        self.staged = staged
        self.priorClass = priorClass
    }
}
