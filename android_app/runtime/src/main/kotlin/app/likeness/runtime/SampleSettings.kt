package app.likeness.runtime

/**
 * How to paint. [Studio.sampleSettings] gives what the bundle recommends; `copy` changes it.
 *
 * @property sampler `dpmsolver++` or `ddim`
 * @property seed 64 bits; picture i depends on the seed and on i alone
 * @property steps of the sampler, each a call of the model, or two with guidance
 * @property count pictures
 * @property guidanceScale classifier-free guidance; 1: off, half the work
 */
data class SampleSettings(
    val prompt: String,
    val negativePrompt: String,
    val sampler: String,
    val seed: Long,
    val steps: Long,
    val count: Long,
    val guidanceScale: Double,
)
