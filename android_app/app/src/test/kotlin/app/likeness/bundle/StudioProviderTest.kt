package app.likeness.bundle

import app.likeness.WorldTest
import app.likeness.problem.ProblemKind
import app.likeness.runtime.CorruptFileException
import app.likeness.storage.StorageFullException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import java.io.File
import java.util.concurrent.CountDownLatch
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertSame

class StudioProviderTest : WorldTest() {
    @Test
    fun theModelIsCopiedCheckedAndOpenedOnce() = world.run {
        coroutineScope { List(5) { async { studios.get() } }.awaitAll() }.forEach { assertSame(fake, it) }
        assertEquals(listOf(true), opened)
        assertEquals(ModelState.Ready, studios.state.value)
    }

    @Test
    fun theNextProcessTrustsTheCopy() {
        world.run { studios.get() }
        val next = newWorld()
        next.run { studios.get() }
        assertEquals(listOf(false), next.opened)
        assertEquals(listOf("manifest.json"), next.source.opened)
    }

    @Test
    fun aDamagedCopyIsMadeAnew() {
        world.run { studios.get() }
        val next = newWorld()
        File(next.layout.bundle, "methods/a.pte").writeText("zzzz")
        next.openFailure = CorruptFileException("a.pte has another hash")
        next.run { studios.get() }
        assertEquals(listOf(false, true), next.opened)
        assertEquals("aaaa", File(next.layout.bundle, "methods/a.pte").readText())
    }

    @Test
    fun aFailureIsShownAndAskingAgainTriesAgain() = world.run {
        disk.room = 10
        assertFailsWith<StorageFullException> { studios.get() }
        val failed = assertIs<ModelState.Failed>(studios.state.value)
        assertEquals(ProblemKind.STORAGE_FULL, failed.problem.kind)
        disk.room = Long.MAX_VALUE
        assertSame(fake, studios.get())
    }

    @Test
    fun aModelThatIsOpenAfterItsCallerLeftIsKept() = world.run {
        val opening = CompletableDeferred<Unit>()
        val mayOpen = CountDownLatch(1)
        var openings = 0
        val slow = StudioProvider(installer, layout.bundle, io) { _, _ ->
            openings++
            opening.complete(Unit)
            mayOpen.await()
            fake
        }
        val caller = newScope().async { slow.get() }
        opening.await()
        caller.cancel()
        mayOpen.countDown()
        caller.join()
        assertEquals(ModelState.Ready, slow.state.value)
        assertSame(fake, slow.get())
        assertEquals(1, openings)
    }

    @Test
    fun trimmingReachesAnOpenModelOnly() = world.run {
        studios.trim()
        assertEquals(0, fake.trims.get())
        studios.get()
        studios.trim()
        assertEquals(1, fake.trims.get())
    }
}
