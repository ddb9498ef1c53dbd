package app.likeness.storage

import app.likeness.WorldTest
import app.likeness.fakes.FakeAdapterFile
import app.likeness.filesUnder
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.WrongModelException
import java.io.InputStream
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class AdapterImportTest : WorldTest() {
    private fun import(bytes: ByteArray, name: String = "rex.safetensors") =
        world.adapters.import(world.fake, bytes.inputStream(), name)

    private inline fun <reified E : Throwable> refused(import: () -> Unit) {
        assertFailsWith<E> { import() }
        assertEquals(emptySet(), filesUnder(root))
        assertEquals(0, world.fake.openAdapters)
    }

    @Test
    fun aWholeFileBecomesASubject() {
        val subject = import(FakeAdapterFile.bytes(listOf("<rex>"), "dog"))
        assertEquals(Subject(subject.id, "rex", "dog", listOf("<rex>"), SubjectState.READY, 1), subject)
        assertEquals(listOf(subject), newWorld().subjects.subjects.value)
        assertEquals(0, world.fake.openAdapters)
    }

    @Test
    fun namesFromOutsideAreCleaned() {
        val bytes = FakeAdapterFile.bytes(listOf("<rex>"), "dog\u202E\n")
        val subject = import(bytes, "../../\u0000evil\u202E" + "x".repeat(200))
        assertEquals("../../ evil", subject.name.take(11))
        assertEquals(Names.MAX_NAME, subject.name.length)
        assertEquals("dog", subject.className)
        assertEquals(setOf("subjects"), root.list()!!.toSet() - "incoming" - "trash")
    }

    @Test
    fun filesThatAreNoAdaptersAreRefusedBeforeTheCoreSeesThem() {
        world.fake.failures["loadAdapter"] = CorruptFileException("the core was asked")
        val hugeHeader = byteArrayOf(-1, -1, -1, -1, -1, -1, -1, 127) + "{}".toByteArray()
        val negativeHeader = ByteArray(8) { -1 } + "{}".toByteArray()
        val noJson = byteArrayOf(2, 0, 0, 0, 0, 0, 0, 0) + "[]".toByteArray()
        val cutHeader = byteArrayOf(9, 0, 0, 0, 0, 0, 0, 0) + "{}".toByteArray()
        listOf(ByteArray(0), ByteArray(8), "hello".toByteArray(), hugeHeader, negativeHeader, noJson, cutHeader)
            .forEach { bytes -> refused<NotAnAdapterException> { import(bytes) } }
    }

    @Test
    fun theCoreHasTheLastWord() {
        world.fake.failures["loadAdapter"] = WrongModelException("of another model")
        refused<WrongModelException> { import(FakeAdapterFile.bytes(listOf("<rex>"), "dog")) }
    }

    @Test
    fun endlessFilesAreCutOff() {
        val endless = object : InputStream() {
            override fun read() = 1

            override fun read(bytes: ByteArray, offset: Int, length: Int) = length
        }
        val import = AdapterImport(world.layout, world.disk, world.trash, world.subjects, { 1 }, maxBytes = 1_000_000)
        refused<NotAnAdapterException> { import.import(world.fake, endless, "x") }
    }

    @Test
    fun aFullStorageTakesNothingIn() {
        world.disk.room = 1_000_000
        refused<StorageFullException> { import(FakeAdapterFile.bytes(listOf("<rex>"), "dog")) }
    }

    @Test
    fun wordsThatCannotBeInAPromptAreRefused() {
        listOf("", "a b", "<a\u202E>", "x".repeat(65), "a\n").forEach { token ->
            refused<NotAnAdapterException> { import(FakeAdapterFile.bytes(listOf(token), "dog")) }
        }
    }

    @Test
    fun wordsThatAreTakenAreRefused() {
        val first = import(FakeAdapterFile.bytes(listOf("<rex>"), "dog"))
        val error = assertFailsWith<WordsTakenException> { import(FakeAdapterFile.bytes(listOf("<REX>"), "cat")) }
        assertEquals(listOf("<REX>"), error.tokens)
        assertEquals(listOf(first), world.subjects.subjects.value)
    }

    @Test
    fun whatAKillLeftOnItsWayInGoes() {
        world.layout.incoming.resolve("0123").apply { mkdirs() }.resolve("adapter.safetensors").writeText("half")
        assertEquals(emptyList(), newWorld().subjects.subjects.value)
        assertEquals(emptySet(), filesUnder(root))
    }
}
