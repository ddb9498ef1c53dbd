package app.likeness.runtime

/** Stands for the model as it is where the core takes an adapter's address. */
internal const val NO_ADAPTER = 0L

/** One call of lk_generate. [adapter] null: none. */
internal class Painting(
    private val engine: SharedHandle,
    private val adapter: SharedHandle?,
    private val settings: SampleSettings,
    private val imageSize: Int,
) : LongCall<GenerateEvent> {
    @Volatile
    private var interrupted = false

    override val name = "likeness-painting"

    override fun work(post: (GenerateEvent) -> Unit) {
        val pictures =
            listOfNotNull(engine, adapter).useAll { addresses ->
                paint(addresses[0], addresses.getOrElse(1) { NO_ADAPTER }) { done, total ->
                    post(GenerateEvent.Progress(done, total))
                    !interrupted
                }
            }
        post(GenerateEvent.Pictures(pictures.map { Picture(imageSize, imageSize, it) }))
    }

    override fun interrupt() {
        interrupted = true
    }

    override fun isProgress(event: GenerateEvent) = event is GenerateEvent.Progress

    private fun paint(engine: Long, adapter: Long, callbacks: SampleCallbacks) = Native.generate(
        engine,
        adapter,
        settings.prompt.toCore(),
        settings.negativePrompt.toCore(),
        settings.sampler.toCore(),
        settings.seed,
        settings.steps,
        settings.count,
        settings.guidanceScale,
        callbacks,
    )
}
