package app.likeness.training

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.fakes.FakeStudio
import app.likeness.problem.ProblemKind
import app.likeness.runtime.NotFiniteException
import app.likeness.storage.Subject
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class TrainingViewModelTest : WorldTest() {
    private fun slowWorld() = newWorld { World(it, FakeStudio(stepMillis = 3, trainSteps = 200)) }

    private fun World.model(subject: Subject) =
        TrainingViewModel(subject.id, subjects, worker, io, newScope(), worker::start)

    @Test
    fun showsProgressPreviewAndTheEnd() = world.run {
        val subject = newSubject()
        val model = model(subject)
        model.goOn()
        val training = model.state.await { it.training.stage == Stage.TRAINING }
        assertTrue(training.canPause && training.canKeepSoFar && training.canDiscard && !training.canGoOn)
        val done = model.state.await { it.training.stage == Stage.DONE && it.training.preview != null }
        assertFalse(done.canPause || done.canGoOn || done.canKeepSoFar || done.canDiscard)
    }

    @Test
    fun pausesAndGoesOn() = slowWorld().run {
        val model = model(newSubject())
        model.goOn()
        model.state.await { it.canPause }
        model.pause()
        val paused = model.state.await { it.isHeld }
        assertTrue(paused.canGoOn && !paused.canPause)
        model.goOn()
        model.state.await { it.canPause }
    }

    @Test
    fun keepsWhatIsLearnedSoFar() = slowWorld().run {
        val model = model(newSubject())
        model.goOn()
        model.state.await { it.canKeepSoFar }
        model.keepSoFar()
        model.state.await { it.training.stage == Stage.DONE }
    }

    @Test
    fun throwingAwayEndsTheScreen() = slowWorld().run {
        val model = model(newSubject())
        model.goOn()
        model.state.await { it.canPause }
        model.discard()
        assertNull(model.state.await { it.subject == null }.subject)
    }

    @Test
    fun showsWhatAnEarlierProcessLeft() {
        val killed = slowWorld().getting {
            val model = model(newSubject())
            model.goOn()
            model.state.await { it.training.stage == Stage.TRAINING && it.training.step > 20 }
            snapshot()
        }
        newWorld(killed).run {
            val model = model(subjects.subjects.value.single())
            val left = model.state.await { it.training.steps > 0 }
            assertEquals(Stage.IDLE, left.training.stage)
            assertTrue(left.canGoOn && left.canDiscard)
            model.goOn()
            model.state.await { it.training.stage == Stage.DONE }
        }
    }

    @Test
    fun showsAFailureAlsoInTheNextProcess() {
        val failed = world.getting {
            fake.failAtStep = 3L to NotFiniteException("training diverged")
            val model = model(newSubject())
            model.goOn()
            val state = model.state.await { it.training.stage == Stage.FAILED }
            assertEquals("training diverged", state.training.problem?.detail)
            assertTrue(state.canGoOn)
            worker.working.await { !it }
            snapshot()
        }
        newWorld(failed).run {
            val model = model(subjects.subjects.value.single())
            val state = model.state.await { it.training.stage == Stage.FAILED }
            assertEquals(ProblemKind.DIVERGED, state.training.problem?.kind)
        }
    }

    @Test
    fun aSubjectThatWaitsItsTurnIsNotShownAsAnother() = slowWorld().run {
        val first = model(newSubject("Minka", createdAt = 1))
        val second = model(newSubject("Rex", createdAt = 2))
        first.goOn()
        second.goOn()
        first.state.await { it.training.stage == Stage.TRAINING }
        assertEquals(Stage.IDLE, second.state.value.training.stage)
    }
}
