/// How to learn a subject. ``Studio/trainSettings(className:token:)`` gives what the bundle recommends.
public struct TrainSettings: Sendable, Equatable {
    /// What the photos show, in a word: dog, mug.
    public var className: String
    /// A new word for the subject: `<my-dog>`.
    public var token: String
    /// One of ``EngineInfo/adapterKinds``.
    public var adapterKind: String
    /// Of the keys' and values' matrices: `adamw` or `muon`.
    public var optimizer: String
    /// `constant`, `constant_with_warmup` or `cosine`.
    public var lrSchedule: String
    /// Empty: "a photo of a <token> <class>".
    public var previewPrompt: String
    /// Equal seeds, photos and settings give equal adapters.
    public var seed: UInt64
    /// Optimizer steps.
    public var steps: Int
    /// Steps over which the learning rate rises.
    public var warmupSteps: Int
    /// Augmented views of all photos together; at least one a photo.
    public var views: Int
    /// Steps between checkpoints in the journal.
    public var checkpointEvery: Int
    /// Steps between preview pictures; 0: none.
    public var previewEvery: Int
    /// Of the keys' and values' matrices.
    public var learningRate: Double
    /// Of the token's embedding; 0: it stays the class's, and steps are faster.
    public var modifierLearningRate: Double
    /// Decoupled.
    public var weightDecay: Double
    /// Gradients are scaled down to it; 0: never.
    public var maxGradNorm: Double
    /// Of prior preservation; 0: off.
    public var priorLossWeight: Double
    /// How firmly keys and values of the bundle's prior captions are held; 0: not at all. Needs muon.
    public var priorTextWeight: Double
    /// Share of timesteps, 0 to 1, that are drawn from the lower 40 %, where what is fine is rendered.
    public var fineTimesteps: Double
    /// Mirror half of the views.
    public var hflip: Bool
    /// Shrink and enlarge views as Custom Diffusion does.
    public var sizeAugmentation: Bool
    /// The model says itself what is behind the subject in each photo, so that it is not learned.
    public var captionPlaces: Bool

    public init(
        className: String, token: String, adapterKind: String, optimizer: String, lrSchedule: String,
        previewPrompt: String, seed: UInt64, steps: Int, warmupSteps: Int, views: Int, checkpointEvery: Int,
        previewEvery: Int, learningRate: Double, modifierLearningRate: Double, weightDecay: Double,
        maxGradNorm: Double, priorLossWeight: Double, priorTextWeight: Double, fineTimesteps: Double,
        hflip: Bool, sizeAugmentation: Bool, captionPlaces: Bool
    ) {
        self.className = className
        self.token = token
        self.adapterKind = adapterKind
        self.optimizer = optimizer
        self.lrSchedule = lrSchedule
        self.previewPrompt = previewPrompt
        self.seed = seed
        self.steps = steps
        self.warmupSteps = warmupSteps
        self.views = views
        self.checkpointEvery = checkpointEvery
        self.previewEvery = previewEvery
        self.learningRate = learningRate
        self.modifierLearningRate = modifierLearningRate
        self.weightDecay = weightDecay
        self.maxGradNorm = maxGradNorm
        self.priorLossWeight = priorLossWeight
        self.priorTextWeight = priorTextWeight
        self.fineTimesteps = fineTimesteps
        self.hflip = hflip
        self.sizeAugmentation = sizeAugmentation
        self.captionPlaces = captionPlaces
    }
}
