package app.likeness.fakes

import app.likeness.runtime.Adapter
import app.likeness.runtime.AdapterInfo
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.EngineInfo
import app.likeness.runtime.GenerateEvent
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.LikenessException
import app.likeness.runtime.Personalization
import app.likeness.runtime.SampleSettings
import app.likeness.runtime.Studio
import app.likeness.runtime.TrainSettings
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import java.io.File
import java.util.concurrent.atomic.AtomicInteger

/**
 * A studio that keeps the rules of the real one without computing anything: flows are cold, cancelling takes effect
 * between steps, journals and adapters are files, and errors come on demand.
 *
 * @property stepMillis what a step or a call of the model takes
 * @property trainSteps steps that are recommended
 */
class FakeStudio(var stepMillis: Long = 1, var trainSteps: Long = 20) : Studio {
    /** Thrown by the next call of the function of that name, once. */
    val failures = mutableMapOf<String, LikenessException>()

    /** Thrown by a session's run when it reaches this step, once. */
    var failAtStep: Pair<Long, LikenessException>? = null

    val sessions = mutableListOf<FakePersonalization>()
    val generated = mutableListOf<SampleSettings>()
    val trims = AtomicInteger()
    var openAdapters = 0
        private set

    override val info = EngineInfo("fake", IMAGE_SIZE, listOf("full"), listOf("cat", "dog", "mug"), 2, "{}")

    override fun trainSettings(className: String, token: String) = TrainSettings(
        className, token, "full", "adamw", "constant", "", 0, trainSteps, 0, 8, 5, 10, 1e-3, 1e-3, 0.0, 1.0, 1.0, 0.0, 0.0,
        true, true, false,
    )

    override fun sampleSettings(prompt: String) = SampleSettings(prompt, "blurry", "ddim", 0, 10, 1, 4.0)

    override fun createSession(settings: TrainSettings, journal: File?): Personalization {
        fail("createSession")
        if (settings.className.isEmpty()) throw InvalidArgumentException("class_name is empty")
        if (journal != null &&
            FakeJournal(journal).exists()
        ) {
            throw InvalidArgumentException("the folder holds a session")
        }
        return FakePersonalization(this, settings, journal?.let(::FakeJournal), null).also(sessions::add)
    }

    override fun resumeSession(journal: File): Personalization {
        fail("resumeSession")
        val stored = FakeJournal(journal).read() ?: throw InvalidArgumentException("there is no session to resume")
        val settings = trainSettings(stored.className, stored.token)
        return FakePersonalization(this, settings, FakeJournal(journal), stored).also(sessions::add)
    }

    override fun loadAdapter(file: File): Adapter {
        fail("loadAdapter")
        val info = FakeAdapterFile.read(file) ?: throw CorruptFileException("${file.name} is no adapter")
        openAdapters++
        return object : Adapter {
            override val info = info

            override fun close() {
                openAdapters--
            }
        }
    }

    override fun mergeAdapters(adapters: List<Adapter>, file: File) {
        fail("mergeAdapters")
        FakeAdapterFile.write(file, adapters.flatMap { it.info.tokens }, "")
    }

    override fun generate(settings: SampleSettings, adapter: Adapter?): Flow<GenerateEvent> = flow {
        fail("generate")
        generated += settings
        val total = settings.steps * settings.count
        for (done in 1..total) {
            delay(stepMillis)
            emit(GenerateEvent.Progress(done, total))
        }
        emit(GenerateEvent.Pictures(List(settings.count.toInt()) { plainPicture(settings.seed + it) }))
    }

    override fun trim() {
        trims.incrementAndGet()
    }

    override fun close() = Unit

    internal fun fail(function: String) {
        failures.remove(function)?.let { throw it }
    }

    companion object {
        const val IMAGE_SIZE = 8
    }
}
