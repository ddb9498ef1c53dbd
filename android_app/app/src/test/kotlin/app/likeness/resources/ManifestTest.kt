package app.likeness.resources

import org.w3c.dom.Element
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ManifestTest {
    private val manifest = AppSources.manifest
    private val application = manifest.all("application").single()

    private fun Element.android(name: String) = getAttribute("android:$name")

    @Test
    fun theOnlyPermissionsAreThose() {
        val expected = setOf(
            "FOREGROUND_SERVICE",
            "FOREGROUND_SERVICE_DATA_SYNC",
            "FOREGROUND_SERVICE_MEDIA_PROCESSING",
            "POST_NOTIFICATIONS",
            "WAKE_LOCK",
        )
        assertEquals(
            expected.map { "android.permission.$it" }.toSet(),
            manifest.all("uses-permission").map { it.android("name") }.toSet(),
        )
        assertEquals(emptyList(), manifest.all("uses-permission-sdk-23"))
    }

    @Test
    fun nothingIsBackedUpOrCarriedOver() {
        assertEquals("false", application.android("allowBackup"))
        assertEquals("false", application.android("fullBackupContent"))
        assertEquals("@xml/data_extraction_rules", application.android("dataExtractionRules"))
        val rules = AppSources.parse(File(AppSources.resources, "xml/data_extraction_rules.xml"))
        val domains = setOf("root", "file", "database", "sharedpref", "external")
        listOf("cloud-backup", "device-transfer").forEach { way ->
            assertEquals(domains, rules.all(way).single().all("exclude").map { it.getAttribute("domain") }.toSet())
        }
        assertEquals(0, rules.all("include").size)
    }

    /** Gradle puts them in, and refuses a manifest that has its own; tools/check_apk.py finds them in the APK. */
    @Test
    fun nameAndVersionsAreLeftToTheBuild() {
        assertEquals("", manifest.getAttribute("package"))
        assertEquals("" to "", manifest.android("versionCode") to manifest.android("versionName"))
        assertEquals(0, manifest.all("uses-sdk").size)
    }

    @Test
    fun onlyTheActivityIsOpenToOthers() {
        val components = listOf("activity", "service", "receiver", "provider").flatMap(manifest::all)
        val exported = components.filter { it.android("exported") != "false" }
        assertEquals(listOf(".MainActivity"), exported.map { it.android("name") })
        assertEquals("", manifest.all("provider").single().android("readPermission"))
    }

    @Test
    fun theServiceIsOfTheTypesItsCodeAsksFor() {
        val service = manifest.all("service").single { it.android("name").endsWith("TrainingService") }
        assertEquals("dataSync|mediaProcessing", service.android("foregroundServiceType"))
        val job = manifest.all("service").single { it.android("name").endsWith("JobService") }
        assertEquals("android.permission.BIND_JOB_SERVICE", job.android("permission"))
    }

    @Test
    fun everyComponentHasItsClass() {
        val names = listOf("activity", "service", "provider").flatMap(manifest::all).map { it.android("name") }
        (names + application.android("name")).forEach { name ->
            val path = "kotlin/app/likeness" + name.replace('.', '/') + ".kt"
            assertTrue(File(AppSources.main, path).isFile, path)
        }
    }
}
