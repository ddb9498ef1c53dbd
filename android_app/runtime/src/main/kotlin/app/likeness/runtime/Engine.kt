package app.likeness.runtime

import kotlinx.coroutines.flow.Flow
import java.io.File

/**
 * A bundle that is open in the core.
 *
 *     Engine.open(bundle).use { engine ->
 *         val settings = engine.trainSettings(className = "dog", token = "<my-dog>")
 *         engine.createSession(settings, journal).use { session ->
 *             photos.forEach(session::addPhoto)
 *             session.run().collect { event -> show(event) }
 *             session.saveAdapter(file)
 *         }
 *         engine.loadAdapter(file).use { adapter ->
 *             val painting = engine.sampleSettings("a <my-dog> dog in a bucket")
 *             engine.generate(painting, adapter).collect { event -> show(event) }
 *         }
 *     }
 */
class Engine private constructor(private val handle: SharedHandle) : Studio {
    override val info: EngineInfo = handle.use { readEngineInfo(Native.engineInfo(it).decodeToString()) }

    override fun trainSettings(className: String, token: String): TrainSettings =
        handle.use { Native.trainSettingsDefault(it) }.copy(className = className, token = token)

    override fun sampleSettings(prompt: String): SampleSettings =
        handle.use { Native.sampleSettingsDefault(it) }.copy(prompt = prompt)

    override fun createSession(settings: TrainSettings, journal: File?): Session =
        handle.use { Session(create(it, settings, journal)) }

    override fun resumeSession(journal: File): Session =
        handle.use { Session(Native.sessionResume(it, journal.toCore())) }

    override fun loadAdapter(file: File): Adapter =
        handle.use { LoadedAdapter.of(Native.adapterLoad(it, file.toCore())) }

    override fun mergeAdapters(adapters: List<Adapter>, file: File) {
        val path = file.toCore()
        handle.use { engine ->
            adapters.map { it.loaded().handle }.useAll { Native.adapterMerge(engine, it, path) }
        }
    }

    override fun generate(settings: SampleSettings, adapter: Adapter?): Flow<GenerateEvent> =
        longCallFlow { Painting(handle, adapter?.loaded()?.handle, settings, info.imageSize) }

    /** The token ids of [text] without start, end and padding, uncut. [adapter] brings words of its own. */
    fun tokenize(text: String, adapter: Adapter? = null): List<Long> {
        val bytes = text.toCore()
        return listOfNotNull(handle, adapter?.loaded()?.handle).useAll {
            Native.tokenize(it[0], it.getOrElse(1) { NO_ADAPTER }, bytes).asList()
        }
    }

    /** The centre square of [photo] as the model can show it: through the image encoder and decoder. */
    fun encodeDecode(photo: Picture): Picture {
        val rgb = handle.use { Native.encodeDecode(it, photo.rgb, photo.width, photo.height) }
        return Picture(info.imageSize, info.imageSize, rgb)
    }

    override fun trim() = handle.use { Native.engineTrim(it) }

    override fun close() = handle.close()

    private fun create(engine: Long, settings: TrainSettings, journal: File?) = Native.sessionCreate(
        engine,
        settings.className.toCore(),
        settings.token.toCore(),
        settings.adapterKind.toCore(),
        settings.optimizer.toCore(),
        settings.lrSchedule.toCore(),
        settings.previewPrompt.toCore(),
        settings.seed,
        settings.steps,
        settings.warmupSteps,
        settings.views,
        settings.checkpointEvery,
        settings.previewEvery,
        settings.learningRate,
        settings.modifierLearningRate,
        settings.weightDecay,
        settings.maxGradNorm,
        settings.priorLossWeight,
        settings.priorTextWeight,
        settings.fineTimesteps,
        settings.hflip,
        settings.sizeAugmentation,
        settings.captionPlaces,
        journal?.toCore(),
    )

    companion object {
        /**
         * Opens the bundle in the folder [bundle]; to be closed.
         *
         * @throws StorageException where it cannot be read
         * @throws CorruptFileException where a file is damaged
         * @throws UnsupportedVersionException where it was exported for another version
         */
        fun open(bundle: File, options: EngineOptions = EngineOptions()): Engine {
            val address =
                Native.engineOpen(bundle.toCore(), !options.verifyHashes, options.threads, options.memoryLimitBytes)
            val handle = SharedHandle(address, "engine", Native::engineClose)
            return closingOnFailure(handle) { Engine(handle) }
        }
    }
}
