package app.likeness.runtime

/**
 * How to learn a subject. [Studio.trainSettings] gives what the bundle recommends; `copy` changes it.
 *
 * @property className what the photos show, in a word: dog, mug
 * @property token a new word for the subject: `<my-dog>`
 * @property adapterKind one of [EngineInfo.adapterKinds]
 * @property optimizer of the keys' and values' matrices: `adamw` or `muon`
 * @property lrSchedule `constant`, `constant_with_warmup` or `cosine`
 * @property previewPrompt empty: "a photo of a <token> <class>"
 * @property seed 64 bits: equal seeds, photos and settings give equal adapters
 * @property steps optimizer steps
 * @property warmupSteps steps over which the learning rate rises
 * @property views augmented views of all photos together; at least one a photo
 * @property checkpointEvery steps between checkpoints in the journal
 * @property previewEvery steps between preview pictures; 0: none
 * @property learningRate of the keys' and values' matrices
 * @property modifierLearningRate of the token's embedding; 0: it stays the class's, and steps are faster
 * @property weightDecay decoupled
 * @property maxGradNorm gradients are scaled down to it; 0: never
 * @property priorLossWeight of prior preservation; 0: off
 * @property priorTextWeight how firmly keys and values of the bundle's prior captions are held; 0: not at all; needs muon
 * @property fineTimesteps share of timesteps, 0 to 1, that are drawn from the lower 40 %, where what is fine is rendered
 * @property hflip mirror half of the views
 * @property sizeAugmentation shrink and enlarge views as Custom Diffusion does
 * @property captionPlaces the model says itself what is behind the subject in each photo, so that it is not learned
 */
data class TrainSettings(
    val className: String,
    val token: String,
    val adapterKind: String,
    val optimizer: String,
    val lrSchedule: String,
    val previewPrompt: String,
    val seed: Long,
    val steps: Long,
    val warmupSteps: Long,
    val views: Long,
    val checkpointEvery: Long,
    val previewEvery: Long,
    val learningRate: Double,
    val modifierLearningRate: Double,
    val weightDecay: Double,
    val maxGradNorm: Double,
    val priorLossWeight: Double,
    val priorTextWeight: Double,
    val fineTimesteps: Double,
    val hflip: Boolean,
    val sizeAugmentation: Boolean,
    val captionPlaces: Boolean,
)
