package app.likeness.runtime

/**
 * What a bundle holds.
 *
 * @property imageSize width and height of the pictures, in pixels
 * @property adapterKinds what a session may train: `full`, `lora`
 * @property classes those that the bundle has a prior of: subjects of these are learned best
 * @property maxModifierTokens how many subjects one adapter may know
 * @property json everything the core says about the bundle, as a JSON object
 */
data class EngineInfo(
    val modelName: String,
    val imageSize: Int,
    val adapterKinds: List<String>,
    val classes: List<String>,
    val maxModifierTokens: Int,
    val json: String,
)
