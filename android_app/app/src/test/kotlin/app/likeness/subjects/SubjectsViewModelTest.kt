package app.likeness.subjects

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.bundle.ModelState
import app.likeness.fakes.FakeAdapterFile
import app.likeness.fakes.FakeDocuments
import app.likeness.fakes.FakeStudio
import app.likeness.problem.ProblemKind
import app.likeness.runtime.WrongModelException
import app.likeness.storage.StorageFullException
import app.likeness.training.Stage
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNull

class SubjectsViewModelTest : WorldTest() {
    private fun World.model() = SubjectsViewModel(subjects, studios, worker, adapters, documents, io, newScope())

    private fun World.offer(reference: String, bytes: ByteArray, name: String = "rex.safetensors") {
        documents.documents[reference] = FakeDocuments.Content(name, bytes)
    }

    @Test
    fun opensTheModelAndListsSubjects() = world.run {
        val minka = readySubject()
        val model = model()
        val state = model.state.await { it.model == ModelState.Ready }
        assertEquals(listOf(minka), state.subjects)
    }

    @Test
    fun aModelThatDoesNotOpenIsTriedAgainOnDemand() = world.run {
        openFailure = StorageFullException("full")
        val model = model()
        val failed = model.state.await { it.model is ModelState.Failed }.model
        assertEquals(ProblemKind.STORAGE_FULL, assertIs<ModelState.Failed>(failed).problem.kind)
        model.openModel()
        model.state.await { it.model == ModelState.Ready }
    }

    @Test
    fun importsAnAdapter() = world.run {
        offer("content://rex", FakeAdapterFile.bytes(listOf("<rex>"), "dog"))
        val model = model()
        model.import("content://rex")
        model.state.await { it.notice == SubjectsNotice.IMPORTED && !it.importing }
        assertEquals("rex", model.state.await { it.subjects.isNotEmpty() }.subjects.single().name)
        model.dismissMessage()
        assertNull(model.state.value.notice)
    }

    @Test
    fun saysWhyAFileWasRefused() = world.run {
        offer("content://text", "hello".toByteArray())
        offer("content://other", FakeAdapterFile.bytes(listOf("<rex>"), "dog"))
        val model = model()
        val expected = mapOf(
            "content://text" to ProblemKind.NOT_AN_ADAPTER,
            "content://missing" to ProblemKind.STORAGE_FAILED,
            "content://other" to ProblemKind.OTHER_MODEL,
        )
        expected.forEach { (reference, kind) ->
            if (kind == ProblemKind.OTHER_MODEL) fake.failures["loadAdapter"] = WrongModelException("of another model")
            model.import(reference)
            val state = model.state.await { it.problem != null && !it.importing }
            assertEquals(kind, state.problem?.kind)
            model.dismissMessage()
        }
        assertEquals(emptyList(), model.state.value.subjects)
    }

    @Test
    fun exportsAnAdapterAsItIs() = world.run {
        val minka = readySubject("Mi/n ka")
        val model = model()
        assertEquals("Mi-n-ka.safetensors", model.fileName(minka))
        model.exportTo("content://nobody-asked")
        model.chooseForExport(minka.id)
        model.exportTo("content://out")
        model.state.await { it.notice == SubjectsNotice.EXPORTED }
        assertEquals(setOf("content://out"), documents.documents.keys)
        val exported = documents.documents.getValue("content://out").bytes
        assertContentEquals(subjects.files(minka.id).adapter.readBytes(), exported)
    }

    @Test
    fun saysWhyItCouldNotExport() = world.run {
        val model = model()
        model.chooseForExport(readySubject().id)
        documents.failure = IOException("the card is gone")
        model.exportTo("content://out")
        assertEquals(ProblemKind.STORAGE_FAILED, model.state.await { it.problem != null }.problem?.kind)
    }

    @Test
    fun deletesWithOneCall() = world.run {
        val minka = readySubject()
        val model = model()
        model.state.await { it.subjects.isNotEmpty() }
        model.delete(minka.id)
        model.state.await { it.subjects.isEmpty() }
        assertEquals(false, subjects.files(minka.id).folder.exists())
    }

    @Test
    fun deletesWhatIsBeingLearned() = newWorld { World(it, FakeStudio(stepMillis = 3, trainSteps = 500)) }.run {
        val minka = newSubject()
        val model = model()
        worker.start(minka.id)
        model.state.await { it.training.stage == Stage.TRAINING }
        model.delete(minka.id)
        model.state.await { it.subjects.isEmpty() && it.training.subjectId == null }
    }

    @Test
    fun aClosedScreenStopsListening() = world.run {
        val model = model()
        model.state.await { it.model == ModelState.Ready }
        model.close()
        readySubject()
        assertEquals(emptyList(), model.state.value.subjects)
    }
}
