package app.likeness

import app.likeness.paint.PaintViewModel
import app.likeness.runtime.Engine
import app.likeness.runtime.EngineOptions
import app.likeness.runtime.Picture
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.teach.PhotoSource
import app.likeness.teach.TeachViewModel
import app.likeness.training.Stage
import app.likeness.training.TrainingViewModel
import org.junit.experimental.categories.Category
import java.io.File
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** The screens over the real core and the tests' smallest bundle: photos in, a picture out, with a kill in between. */
@Category(Slow::class)
class RealRuntimeTest : WorldTest() {
    private val bundle = File(System.getProperty("likeness.repository"), "build/test_bundles/tiny/bundle")
    private val engine = Engine.open(bundle, EngineOptions(verifyHashes = false, threads = 1))
    private val photo = Picture(48, 40, Random(1).nextBytes(3 * 48 * 40))

    private fun realWorld(folder: File = root) = newWorld(folder) { World(it, studio = engine) }

    private suspend fun World.teach(): String {
        val ids = mutableListOf<String>()
        val model = TeachViewModel(
            drafts,
            subjects,
            planner,
            PhotoSource { photo },
            io,
            newScope(),
            { 1 },
            {
                ids += it
                worker.start(it)
            },
        )
        model.state.await { it.loaded }
        model.addPhotos(List(3) { "photo" })
        model.state.await { it.photos.size == 3 }
        model.setName("Minka")
        model.setClassName(engine.info.classes.first())
        model.state.await { it.canStart }
        model.start()
        model.state.await { it.startedId != null }
        return ids.single()
    }

    private suspend fun World.learned(id: String): ByteArray {
        val model = TrainingViewModel(id, subjects, worker, io, newScope(), worker::start)
        model.state.await { it.training.stage == Stage.DONE }
        worker.working.await { !it }
        return subjects.files(id).adapter.readBytes()
    }

    @Test
    fun aSubjectIsTaughtKilledResumedAndPainted() {
        var killed: File? = null
        lateinit var whole: ByteArray
        lateinit var id: String
        realWorld().run {
            id = teach()
            worker.state.await { it.stage == Stage.TRAINING && it.step > 0 }
            killed = snapshot()
            whole = learned(id)
        }
        val next = realWorld(killed!!)
        next.run {
            assertEquals(SubjectState.LEARNING, subjects.find(id)?.state)
            worker.resumePending()
            assertContentEquals(whole, learned(id))
            paint(subjects.find(id)!!)
        }
    }

    private suspend fun World.paint(subject: Subject) {
        val model = PaintViewModel(subjects, painter, worker, newScope())
        model.state.await { it.settings.negativePrompt.isNotEmpty() || it.settings.steps != 0 }
        model.beginWith(subject.id)
        model.setSteps(2)
        model.paint()
        val painted = model.state.await { it.painted.isNotEmpty() || it.problem != null }
        assertEquals(null, painted.problem)
        assertTrue(pictures.file(painted.painted.single().id).isFile)
        assertEquals(listOf("Minka"), painted.painted.single().subjects)
    }
}
