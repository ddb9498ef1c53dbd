package app.likeness.paint

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.bundle.ModelState
import app.likeness.fakes.FakeStudio
import app.likeness.filesUnder
import app.likeness.problem.ProblemKind
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.OutOfMemoryException
import app.likeness.storage.KeptPicture
import app.likeness.storage.newId
import app.likeness.training.Cause
import app.likeness.training.Stage
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class PaintViewModelTest : WorldTest() {
    private fun World.model() = PaintViewModel(subjects, painter, worker, newScope(), Random(1))

    /** Waits for the model's recommendations. */
    private suspend fun PaintViewModel.ready() = also { state.await { it.settings.steps == 10 } }

    private suspend fun PaintViewModel.painted() = state.await {
        it.progress == null && it.painted.isNotEmpty()
    }.painted

    @Test
    fun paintsWhatTheModelRecommendsAndKeepsIt() = world.run {
        val minka = readySubject()
        val model = model().ready()
        model.beginWith(minka.id)
        assertEquals("a photo of a <my-minka> cat", model.state.value.settings.prompt)
        assertEquals(listOf(minka), model.state.value.used)
        model.setCount(2)
        model.paint()
        val painted = model.painted()
        assertEquals(painted, pictures.pictures.value)
        assertEquals(listOf(0, 1), painted.map { it.index })
        val first = painted.first()
        assertEquals("a photo of a <my-minka> cat", first.prompt)
        assertEquals("blurry", first.negativePrompt)
        assertEquals(listOf("Minka"), first.subjects)
        assertEquals(10L to 4.0, first.steps to first.guidance)
        val asked = fake.generated.single()
        assertEquals(first.seed, asked.seed)
        assertEquals(2, asked.count)
        assertEquals(0, fake.openAdapters)
    }

    @Test
    fun whatIsChosenBeforeTheModelIsOpenStays() = world.run {
        val note = KeptPicture(newId(), "a cat", "", 42, 0, 7, 2.5, emptyList(), 1)
        val model = model()
        model.beginWith(note)
        studios.state.first { it == ModelState.Ready }
        assertEquals(PaintSettings("a cat", "", 42, 7, 2.5, count = 1), model.state.value.settings)
    }

    @Test
    fun theSeedIsNewEachTimeUnlessItIsSet() = world.run {
        val model = model().ready()
        model.setPrompt("a cat")
        repeat(2) {
            model.paint()
            model.state.await { it.progress != null }
            model.state.await { it.progress == null }
        }
        val (one, two) = fake.generated.map { it.seed }
        assertTrue(one != two)
        model.setSeed("12a3")
        assertFalse(model.state.value.newSeedEachTime)
        model.paint()
        model.state.await { it.progress != null }
        model.state.await { it.progress == null }
        assertEquals(123, fake.generated.last().seed)
        model.setSeed("x")
        assertEquals(0, model.state.value.settings.seed)
    }

    @Test
    fun twoSubjectsAreMergedOnce() = world.run {
        val minka = readySubject("Minka")
        val rex = readySubject("Rex")
        val model = model().ready()
        model.setPrompt("photo of ")
        model.insert(minka, 9)
        model.insert(rex, model.state.value.settings.prompt.length)
        assertEquals("photo of <my-minka> cat <my-rex> cat", model.state.value.settings.prompt)
        model.paint()
        assertEquals(setOf("Minka", "Rex"), model.painted().single().subjects.toSet())
        assertEquals(1, filesUnder(layout.merged).size)
        fake.failures["mergeAdapters"] = InvalidArgumentException("merged twice")
        model.paint()
        model.state.await { it.progress != null }
        assertNull(model.state.await { it.progress == null }.problem)
        subjects.delete(rex.id)
        assertEquals(emptySet(), filesUnder(layout.merged))
    }

    @Test
    fun moreSubjectsThanTheModelCanTellApartAreRefused() = world.run {
        listOf("a", "b", "c").forEach { readySubject(it) }
        val model = model().ready()
        model.setPrompt("<my-a> <my-b> <my-c>")
        assertTrue(model.state.value.tooManySubjects)
        assertFalse(model.state.value.canPaint)
        model.paint()
        assertNull(model.state.value.progress)
    }

    @Test
    fun aPromptWithoutSubjectsIsPaintedByTheModelAlone() = world.run {
        val model = model().ready()
        assertFalse(model.state.value.canPaint)
        model.setPrompt("a cat")
        model.paint()
        assertEquals(emptyList(), model.painted().single().subjects)
    }

    @Test
    fun cancellingKeepsNothing() = newWorld { World(it, FakeStudio(stepMillis = 20)) }.run {
        val model = model().ready()
        model.setPrompt("a cat")
        model.paint()
        model.state.await { (it.progress?.done ?: 0) > 1 }
        model.cancel()
        val state = model.state.await { it.progress == null }
        assertNull(state.problem)
        assertEquals(emptyList(), state.painted)
        assertEquals(emptyList(), pictures.pictures.value)
        assertTrue(state.canPaint)
    }

    @Test
    fun whatTheCoreRefusesIsSaid() = world.run {
        val minka = readySubject()
        val model = model().ready()
        model.beginWith(minka.id)
        listOf("loadAdapter", "generate").forEach { function ->
            fake.failures[function] = OutOfMemoryException("too little memory")
            model.paint()
            assertEquals(ProblemKind.OUT_OF_MEMORY, model.state.await { it.problem != null }.problem?.kind)
            model.state.await { it.progress == null }
            model.dismissProblem()
            assertEquals(0, fake.openAdapters)
        }
    }

    @Test
    fun aFullStorageIsSaid() = world.run {
        val model = model().ready()
        model.setPrompt("a cat")
        disk.room = 10
        model.paint()
        assertEquals(ProblemKind.STORAGE_FULL, model.state.await { it.problem != null }.problem?.kind)
    }

    @Test
    fun aRotatedScreenSeesWhatTheOldOneBegan() = newWorld { World(it, FakeStudio(stepMillis = 10)) }.run {
        val model = model().ready()
        model.setPrompt("a cat")
        model.paint()
        val shown = newScope()
        val seen = shown.async { model.state.first { (it.progress?.done ?: 0) > 1 } }
        seen.await()
        shown.cancel()
        val again = newScope().async { model.state.first { it.progress == null && it.painted.isNotEmpty() } }
        assertEquals("a cat", again.await().painted.single().prompt)
    }

    @Test
    fun trainingWaitsMeanwhile() = newWorld { World(it, FakeStudio(stepMillis = 5, trainSteps = 500)) }.run {
        val model = model().ready()
        worker.start(newSubject().id)
        worker.state.await { it.stage == Stage.TRAINING }
        model.setPrompt("a cat")
        model.paint()
        worker.state.await { it.cause == Cause.PAINTING }
        model.painted()
        worker.state.await { it.cause == null }
    }

    @Test
    fun aKeptPictureIsPaintedAgainWithItsSettings() = world.run {
        val minka = readySubject()
        val model = model().ready()
        model.beginWith(minka.id)
        model.setCount(3)
        model.setGuidance(99.0)
        model.setSteps(0)
        model.paint()
        val third = model.painted().last()
        model.setPrompt("something else")
        model.beginWith(third)
        val state = model.state.value
        assertEquals(listOf(minka), state.used)
        assertFalse(state.newSeedEachTime)
        assertEquals(
            PaintSettings(third.prompt, "blurry", third.seed, 1, PaintUiState.MOST_GUIDANCE, 3),
            state.settings,
        )
        model.paint()
        val again = model.painted()
        assertEquals(third.seed, again.last().seed)
    }

    @Test
    fun deletedSubjectsAreInNoPrompt() = world.run {
        val minka = readySubject()
        val model = model().ready()
        model.beginWith(minka.id)
        subjects.delete(minka.id)
        model.state.await { it.used.isEmpty() && it.subjects.isEmpty() }
    }
}
